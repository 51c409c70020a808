//! `counterfoil store`

use std::fmt;
use std::fs;

use clap::{Args, Subcommand};
use ledger::authority::License;
use schemas::codes::{Code, Exit};
use schemas::ids::Digest;
use schemas::refusal::Refusal;
use serde::Serialize;

use crate::audit;
use crate::cli::Context;
use crate::home::StoreUrl;
use crate::output::{Fields, talk};
use crate::packing::{self, PackReport};
use crate::progress::Progress;
use crate::store::{LicenseFilter, Place, Store};

/// Where the ledger is kept
#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Copy the ledger to another store
    Copy(CopyArgs),
    /// Join short runs of events into full ones
    Pack(PackArgs),
}

impl StoreCommand {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Refusal> {
        match self {
            Self::Copy(args) => args.run(context),
            Self::Pack(PackArgs {}) => pack(context),
        }
    }
}

/// Copy the ledger to another store: a file or a PostgreSQL database that has none yet
///
/// The copy is the ledger as it stands at one moment; it is there whole, with the same evidence digest, or not at all.
/// Stop whatever writes to this ledger before you switch, so that nothing comes in between.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil store copy --to postgres://counterfoil@db.example.com/ledger --switch
  counterfoil store copy --to sqlite:/srv/ledger.db")]
pub(crate) struct CopyArgs {
    /// Where the copy is made: `sqlite:PATH` or `postgres://USER@HOST/DATABASE`
    #[arg(long, value_name = "URL")]
    to: String,
    /// Let the home use the copy from now on; the ledger that it used so far stays as it is
    #[arg(long)]
    switch: bool,
}

impl CopyArgs {
    fn run(self, context: &Context) -> Result<Exit, Refusal> {
        let to = StoreUrl::parse(&self.to)?.absolute()?;
        let mut vendor = context.vendor()?;
        let place = to.place(vendor.home.layout().dir());
        let mut target = place.create().map_err(|error| Refusal::from(error).at(&to))?;
        let progress = Progress::start("licences copied", None);
        let copied = vendor
            .store
            .copy_to(&mut target, context.config.jobs.value, &mut |licenses| progress.add(licenses));
        progress.finish();
        if let Err(error) = copied {
            drop(target);
            unmake(&place);
            return Err(error.into());
        }
        let (digest, _) = audit::evidence_digest(vendor.store.as_mut())?;
        let (of_copy, licenses) = audit::evidence_digest(&mut target)?;
        if digest != of_copy || !is_same(vendor.store.as_mut(), &mut target)? {
            let detail = "the ledger was written to meanwhile; stop whatever does, and copy to another place";
            return Err(Refusal::new(Code::StoreChanged, detail).at(&to));
        }
        if self.switch {
            vendor.home.use_store(&to)?;
        }
        context.output.result(&Copied {
            from: vendor.home.store().to_string(),
            to: to.to_string(),
            licenses: licenses.len(),
            digest,
            switched: self.switch,
        })?;
        if !self.switch {
            talk(&"This home goes on with the ledger that it had; `--switch` lets it use the copy.");
        }
        Ok(Exit::Done)
    }
}

/// Whether the vendor's own chains stand at the same places in both, which no evidence digest tells.
fn is_same(store: &mut dyn Store, copy: &mut dyn Store) -> Result<bool, Refusal> {
    let every = LicenseFilter::default();
    let licenses: Vec<_> = store.licenses(&every)?.into_iter().map(|license| license.id).collect();
    let copied: Vec<_> = copy.licenses(&every)?.into_iter().map(|license| license.id).collect();
    if licenses != copied || store.catalog()?.head != copy.catalog()?.head {
        return Ok(false);
    }
    for license in &licenses {
        let head = |license: Option<License>| license.map(|license| (license.epoch, license.head));
        if head(store.license(license)?) != head(copy.license(license)?) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Takes a file away in which a copy was not finished; an unfinished database holds nothing and may be used again.
fn unmake(place: &Place) {
    if let Place::Sqlite(path) = place {
        for end in ["", "-wal", "-shm"] {
            let mut name = path.clone().into_os_string();
            name.push(end);
            // What cannot be taken away is told when it is in the way of the next copy.
            drop(fs::remove_file(name));
        }
    }
}

/// Join short runs of events into full ones, of every licence
///
/// What devices and the vendor signed is kept as it came, and so is the evidence digest: only the number of rows that it
/// takes goes down. `merge` does it by itself for the chains that it wrote onto; this is for a ledger of an older version,
/// and for what a merge left. Others may go on using the ledger. It can be ended at any time: what is joined stays so, and
/// the next run goes on.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  counterfoil store pack
  counterfoil store pack --json")]
pub(crate) struct PackArgs {}

fn pack(context: &Context) -> Result<Exit, Refusal> {
    let mut vendor = context.vendor()?;
    let progress = Progress::start("runs joined", None);
    let packed = packing::pack_all(vendor.store.as_mut(), &mut |runs| progress.add(runs));
    progress.finish();
    context.output.result(&packed?)?;
    Ok(Exit::Done)
}

impl fmt::Display for PackReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { licenses, runs, into, events } = self;
        if *runs == 0 {
            return write!(f, "nothing to pack");
        }
        write!(f, "{runs} runs of {licenses} licences became {into}, with the same {events} events")
    }
}

#[derive(Serialize)]
struct Copied {
    from: String,
    to: String,
    licenses: usize,
    digest: Digest,
    switched: bool,
}

impl fmt::Display for Copied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Fields::default()
            .with("copied to", &self.to)
            .with("licences with evidence", self.licenses)
            .with("evidence digest", self.digest)
            .with("this home uses", if self.switched { &self.to } else { &self.from })
            .fmt(f)
    }
}
