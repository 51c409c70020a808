//! The SQL that makes each store, in numbered files that are never changed once released.

/// A numbered step: its name as `refinery` expects it, and its statements.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// The name, such as `V1__ledger`.
    pub name: &'static str,
    /// The statements.
    pub sql: &'static str,
    /// Whether projections are folded anew afterwards.
    pub folds: bool,
}

/// The vendor's ledger on `SQLite`.
pub const LEDGER_SQLITE: &[Migration] = &[
    Migration { name: "V1__ledger", sql: include_str!("../sql/ledger-sqlite/V1__ledger.sql"), folds: false },
    Migration { name: "V2__states", sql: include_str!("../sql/ledger-sqlite/V2__states.sql"), folds: true },
    Migration {
        name: "V3__service",
        sql: include_str!("../sql/ledger-sqlite/V3__service.sql"),
        folds: false,
    },
    Migration {
        name: "V4__webhooks",
        sql: include_str!("../sql/ledger-sqlite/V4__webhooks.sql"),
        folds: false,
    },
    Migration { name: "V5__codes", sql: include_str!("../sql/ledger-sqlite/V5__codes.sql"), folds: false },
];

/// The vendor's ledger on PostgreSQL.
///
/// None of them folds: the version is noted with the tables, before projections could be made anew.
pub const LEDGER_POSTGRES: &[Migration] = &[
    Migration {
        name: "V1__ledger",
        sql: include_str!("../sql/ledger-postgres/V1__ledger.sql"),
        folds: false,
    },
    Migration {
        name: "V2__service",
        sql: include_str!("../sql/ledger-postgres/V2__service.sql"),
        folds: false,
    },
    Migration {
        name: "V3__webhooks",
        sql: include_str!("../sql/ledger-postgres/V3__webhooks.sql"),
        folds: false,
    },
    Migration { name: "V4__codes", sql: include_str!("../sql/ledger-postgres/V4__codes.sql"), folds: false },
];

/// A device's store on `SQLite`.
pub const DEVICE_SQLITE: &[Migration] = &[
    Migration { name: "V1__device", sql: include_str!("../sql/device-sqlite/V1__device.sql"), folds: false },
    Migration {
        name: "V2__state_may_trail",
        sql: include_str!("../sql/device-sqlite/V2__state_may_trail.sql"),
        folds: false,
    },
    Migration {
        name: "V3__refusals",
        sql: include_str!("../sql/device-sqlite/V3__refusals.sql"),
        folds: false,
    },
    Migration {
        name: "V4__compaction",
        sql: include_str!("../sql/device-sqlite/V4__compaction.sql"),
        folds: false,
    },
];
