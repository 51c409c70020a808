//! What webhooks are called: the topics that an endpoint may want, and how a message to it is signed.

use crate::wire::choices;

choices! {
    /// What a message tells.
    Topic {
        /// A device was given a seat.
        Activated = 0 "activation.activated",
        /// A device asked for a seat and was given none.
        Denied = 1 "activation.denied",
        /// A device that has a seat was given a newer grant.
        Refreshed = 2 "activation.refreshed",
        /// A device's seat came to its end.
        Deactivated = 3 "activation.deactivated",
        /// A device is past its check-in deadline.
        Overdue = 4 "activation.overdue",
        /// Use of a licence was taken in.
        UsageMerged = 5 "usage.merged",
        /// Use of a feature reached a part of its limit.
        QuotaLow = 6 "quota.low",
        /// Two histories of one device are known.
        Forked = 7 "chain.forked",
    }

    /// How messages to an endpoint are signed, as Standard Webhooks names it.
    SignatureKind {
        /// HMAC-SHA256 under a secret that both sides have.
        V1 = 0 "v1",
        /// Ed25519 (RFC 8032) under a key that the vendor alone has.
        V1a = 1 "v1a",
    }
}
