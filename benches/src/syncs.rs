//! `syncs`: devices that sync at one time with a service in a process of its own, each request with a few new events of its
//! own chain, signed before the clock is started, or with nothing new.

mod client;

use std::cell::RefCell;
use std::path::Path;

use anyhow::{bail, ensure};
use clap::Args;
use ledger::inspect::{AnswerInspection, Inspection, inspect};
use schemas::numbers::Seq;

use self::client::{Client, exchange};
use crate::measure::{Cost, Spent, Watch};
use crate::options::Options;
use crate::program::Serving;
use crate::report::{Report, Step, Waits};
use crate::vendor::{StoreArgs, Vendor};

/// One sync in so many is made before the clock is started, and one of each chain at least.
const WARM_UP: u64 = 10;

/// What a load of syncs consists of.
#[derive(Args, Debug)]
pub(crate) struct SyncsArgs {
    /// Syncs, as many of each chain
    #[arg(long, default_value_t = 50_000)]
    syncs: u64,
    /// Connections that are kept open; over each there is one request at a time
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Devices; each has a licence of its own and one request at a time
    #[arg(long, default_value_t = 2_000)]
    chains: u64,
    /// New events in one sync
    #[arg(long, default_value_t = 3)]
    events: u64,
    /// Send each chain's last bundle again and again
    #[arg(long)]
    nothing_new: bool,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    options: Options,
}

/// The requests of each chain, in the order in which they are sent.
struct Requests {
    chains: Vec<Vec<Vec<u8>>>,
    connections: usize,
}

impl SyncsArgs {
    /// Makes the devices and their bundles, has them sync, and prints the numbers.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        ensure!(self.syncs > 0 && self.chains > 0 && self.events > 0, "there is nothing to sync");
        ensure!(
            self.connections > 0 && self.connections as u64 <= self.chains,
            "no chain is on two connections: there are fewer chains than connections"
        );
        self.options.report(|work| self.load(work))
    }

    fn load(&self, work: &Path) -> anyhow::Result<Report> {
        let rounds = self.syncs.div_ceil(self.chains);
        let warming = rounds.div_ceil(WARM_UP);
        let Self { connections, chains, events, .. } = *self;
        let carries =
            if self.nothing_new { "nothing new".to_owned() } else { format!("{events} new events") };
        let seed = self.options.seed;
        let what = format!("{chains} devices, {connections} connections, {carries} in a sync, seed {seed}");
        eprintln!("making {what}");
        let (vendor, mut fleet) = Vendor::with_fleet(work, &self.store, chains, seed)?;
        let (activations, licences) = (work.join("requests"), work.join("licences"));
        fleet.ask(&activations)?;
        vendor.merge(&activations, Some(&licences))?;
        fleet.apply(&licences)?;
        let new = if self.nothing_new { 1 } else { warming + rounds };
        let requests = Requests::of(&fleet.bundles(new, events)?, connections);

        let serving = vendor.serve(connections)?;
        let mut client = Client::connect(serving.address, connections)?;
        let (warming, rounds) = (usize::try_from(warming)?, usize::try_from(rounds)?);
        client.send(|number| requests.of_rounds(number, 0..warming), |_, _| {})?;
        let watch = Watch::start()?;
        let before = serving.cost()?;
        let waits = client.send(|number| requests.of_rounds(number, warming..warming + rounds), |_, _| {})?;
        let own = watch.stop()?;
        let spent = Spent { took: own.took, cost: since(before, &serving)? };
        let syncs = waits.len() as u64;
        ensure!(syncs == rounds as u64 * chains, "not every sync was answered");
        requests.are_taken_in(&mut client, &fleet.heads())?;
        drop(client);
        serving.end()?;

        let waits = Waits::of(waits);
        let steps = vec![
            Step { waits, ..Step::new("syncs: the service", syncs, "syncs", spent) },
            Step::new("syncs: its callers", syncs, "syncs", own),
        ];
        Ok(Report { what, durability: vendor.durability().to_owned(), steps })
    }
}

/// What the service took since then.
fn since(before: Cost, serving: &Serving) -> anyhow::Result<Cost> {
    let now = serving.cost()?;
    Ok(Cost { cpu: now.cpu - before.cpu, ..now })
}

impl Requests {
    fn of(bundles: &[Vec<Vec<u8>>], connections: usize) -> Self {
        let chain = |bundles: &Vec<Vec<u8>>| bundles.iter().map(|bundle| exchange(bundle)).collect();
        Self { chains: bundles.iter().map(chain).collect(), connections }
    }

    /// The chains of a connection: no other one has them.
    fn chains_of(&self, connection: usize) -> impl Iterator<Item = usize> + Clone {
        (connection..self.chains.len()).step_by(self.connections)
    }

    /// What goes over a connection: round after round, one request of each of its chains; the last one again where a chain
    /// has no more.
    fn of_rounds(&self, connection: usize, rounds: std::ops::Range<usize>) -> impl Iterator<Item = &Vec<u8>> {
        let of_round = move |round: usize| {
            self.chains_of(connection).map(move |chain| {
                let requests = &self.chains[chain];
                &requests[round.min(requests.len() - 1)]
            })
        };
        rounds.flat_map(of_round)
    }

    /// Asks once more for each chain, and holds the answers against the events that were sent.
    fn are_taken_in(&self, client: &mut Client, heads: &[Seq]) -> anyhow::Result<()> {
        let answers: Vec<RefCell<Vec<Vec<u8>>>> = vec![RefCell::default(); self.connections];
        client.send(
            |number| self.of_rounds(number, usize::MAX - 1..usize::MAX),
            |number, answer| answers[number].borrow_mut().push(answer.to_vec()),
        )?;
        for (number, answers) in answers.iter().enumerate() {
            for (chain, answer) in self.chains_of(number).zip(answers.borrow().iter()) {
                let held = held(answer)?;
                ensure!(held == heads[chain], "the vendor holds {held} of {} events", heads[chain]);
            }
        }
        Ok(())
    }
}

/// Up to which event the vendor holds a chain, by the grant that says so.
fn held(answer: &[u8]) -> anyhow::Result<Seq> {
    let Inspection::Grant(file) = inspect(answer)? else { bail!("an answer is no licence file") };
    match file.answers.as_slice() {
        [AnswerInspection::Grant(grant)] => Ok(grant.body.ack.seq),
        answers => bail!("not one grant: {answers:?}"),
    }
}
