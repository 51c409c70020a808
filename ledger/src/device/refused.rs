//! Grants that are genuine, newer than the last, and not applied, because they acknowledge what the device does not
//! have. What they take away is taken away all the same, or an older state would bring it back.

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

    pub(super) fn body(self) -> GrantRefused {
        let (epoch, seq) = self.order;
        GrantRefused { epoch, seq, code: Text::new(self.code.word()).expect("a code is a short word") }
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
