//! What suspending, resuming and revoking have in common.

use std::fmt;

use schemas::codes::Exit;
use schemas::ids::LicenseId;
use schemas::refusal::Refusal;
use schemas::text::Text;

use crate::cli::Context;
use crate::shown::licenses::LicenseStanding;
use crate::vendor::Vendor;
use crate::vendor::licenses::StandingChange;

/// Changes whether a licence stands, and tells how it stands then.
pub(super) fn change(
    context: &Context,
    vendor: &mut Vendor,
    license: &LicenseId,
    change: StandingChange,
    reason: Option<&Text>,
) -> Result<Exit, Refusal> {
    let license = vendor.change_standing(license, change, reason.map(Text::as_str), None)?;
    context.output.result(&LicenseStanding { license_id: license.id, status: license.standing.word() })?;
    Ok(Exit::Done)
}

impl fmt::Display for LicenseStanding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "licence {} is {}", self.license_id, self.status)?;
        write!(f, "Its devices learn it with their next licence file.")
    }
}
