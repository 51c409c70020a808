//! The fold state of a licence as bytes, in which a store keeps it: one value for what the vendor said of the licence, and
//! one for each of its device chains. It follows from the runs: the same runs give the same bytes.
//!
//! Only the program that wrote them reads these bytes. A change of what is in them is a migration, which folds the runs anew.

use rmp_serde::{from_slice, to_vec};
use schemas::ids::ChainId;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::authority::{Activation, License};
use crate::digest::BranchEvidence;
use crate::evidence::Chain;

/// Stands before each value, so that one of another format is not taken for one of this.
const FORMAT: u8 = 1;

/// Bytes that are not the state that was written.
#[derive(Debug, Error)]
#[error("the kept state is damaged")]
pub struct StateDamaged(#[source] Option<rmp_serde::decode::Error>);

/// What is kept of one device chain.
#[derive(Serialize)]
struct ChainState<'a> {
    activation: Option<&'a Activation>,
    chain: Option<&'a Chain>,
}

#[derive(Deserialize)]
struct OwnedChainState {
    activation: Option<Activation>,
    chain: Option<Chain>,
}

/// What the vendor said of a licence, without its device chains.
pub fn of_license(license: &License) -> Vec<u8> {
    encode(license)
}

/// What is known and was decided of one device chain, without the runs that wait beside it.
pub fn of_chain(license: &License, chain: &ChainId) -> Vec<u8> {
    encode(&ChainState { activation: license.activations.get(chain), chain: license.chains.get(chain) })
}

/// Reads [`of_license`]: a licence without device chains.
///
/// # Errors
/// When the bytes are not what was written.
pub fn license(bytes: &[u8]) -> Result<License, StateDamaged> {
    decode(bytes)
}

/// Reads [`of_chain`] into a licence.
///
/// # Errors
/// When the bytes are not what was written.
pub fn add_chain(license: &mut License, chain: ChainId, bytes: &[u8]) -> Result<(), StateDamaged> {
    let OwnedChainState { activation, chain: known } = decode(bytes)?;
    license.activations.extend(activation.map(|activation| (chain, activation)));
    license.chains.extend(known.map(|known| (chain, known)));
    Ok(())
}

/// What is attached of a device chain's branches.
pub fn of_branches(chain: Option<&Chain>) -> Vec<u8> {
    let branches =
        chain.map(|chain| chain.branches.iter().map(|(number, branch)| BranchEvidence::of(*number, branch)));
    encode(&branches.into_iter().flatten().collect::<Vec<_>>())
}

/// Reads [`of_branches`].
///
/// # Errors
/// When the bytes are not what was written.
pub fn branches(bytes: &[u8]) -> Result<Vec<BranchEvidence>, StateDamaged> {
    decode(bytes)
}

fn encode<T: Serialize + ?Sized>(state: &T) -> Vec<u8> {
    let mut bytes = vec![FORMAT];
    bytes.extend(to_vec(state).expect("plain data is encoded"));
    bytes
}

fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, StateDamaged> {
    match bytes.split_first() {
        Some((&FORMAT, state)) => from_slice(state).map_err(|error| StateDamaged(Some(error))),
        _ => Err(StateDamaged(None)),
    }
}
