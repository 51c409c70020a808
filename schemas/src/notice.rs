//! Notices: what an issuer says to a chain that no licence can answer. A notice changes no state anywhere.

use serde::{Deserialize, Serialize};

use crate::ids::{ChainId, Signature};
use crate::numbers::Micros;
use crate::text::Text;
use crate::wire::blob;

/// A notice: the statement's canonical bytes, the issuer's signature and certificate.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Notice {
    /// The canonical bytes of a [`NoticeBody`].
    #[serde(with = "blob")]
    pub body: Vec<u8>,
    /// The issuer's signature.
    pub signature: Signature,
    /// The issuer's certificate, as in [`crate::certificate::Certificate`].
    #[serde(with = "blob")]
    pub certificate: Vec<u8>,
}

/// What a notice says.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct NoticeBody {
    /// The device chain that it answers.
    pub chain: ChainId,
    /// The refusal code.
    pub code: Text,
    /// When it was said.
    pub at: Micros,
}
