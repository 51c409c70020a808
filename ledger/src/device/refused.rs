//! Grants that are genuine, newer than the last, and not applied, because they acknowledge what the device does not
//! have. What they take away is taken away all the same, or an older state would bring it back. One of a newer epoch has
//! the whole chain sent again, also where it is only too late: the vendor restored an older ledger.

use schemas::codes::Code;
use schemas::event::device::GrantRefused;
use schemas::grant::GrantStatus;
use schemas::numbers::{Epoch, Seq};
use schemas::text::Text;

use super::AppliedGrant;

/// The last such grant since the last that was applied.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refused {
    /// Where it stands on the vendor's chain: none before it is applied any more.
    pub order: (Epoch, Seq),
    /// `ack_unknown`, or the code of what the grant took away: `suspended`, `revoked`, `released`.
    pub code: Code,
}

impl Refused {
    /// What refusing `offered` comes to.
    pub(super) fn of(offered: &AppliedGrant) -> Self {
        let code = match offered.verified.body.status {
            GrantStatus::Suspended => Code::LicenseSuspended,
            GrantStatus::Revoked => Code::LicenseRevoked,
            GrantStatus::Released => Code::Released,
            GrantStatus::Active | GrantStatus::Denied => Code::AckUnknown,
        };
        Self { order: offered.verified.order(), code }
    }

    /// What a recorded refusal says; nothing where its code is of another kind.
    pub fn read(body: &GrantRefused) -> Option<Self> {
        let known = [Code::AckUnknown, Code::LicenseSuspended, Code::LicenseRevoked, Code::Released];
        let code = known.into_iter().find(|code| code.word() == body.code.as_str())?;
        Some(Self { order: (body.epoch, body.seq), code })
    }

    /// What refusing `offered` for its date comes to. It takes nothing away.
    pub(super) fn late(offered: &AppliedGrant) -> GrantRefused {
        refusal(offered.verified.order(), Code::GrantLate)
    }

    pub(super) fn body(self) -> GrantRefused {
        refusal(self.order, self.code)
    }

    /// Whether a recorded refusal tells, beside the epoch of the last applied grant, that the vendor went back to an older
    /// ledger and may have lost what it acknowledged.
    pub fn asks_again(body: &GrantRefused, applied: Option<Epoch>) -> bool {
        applied.is_some_and(|applied| applied < body.epoch)
    }

    /// Why nothing is allowed any more, where the grant took the licence away; in the words of `check`.
    pub(super) fn ended(self) -> Option<Code> {
        match self.code {
            Code::LicenseSuspended | Code::LicenseRevoked => Some(self.code),
            Code::Released => Some(Code::Deactivated),
            _ => None,
        }
    }
}

fn refusal((epoch, seq): (Epoch, Seq), code: Code) -> GrantRefused {
    GrantRefused { epoch, seq, code: Text::new(code.word()).expect("a code is a short word") }
}
