//! The limits that every reader enforces before it allocates. Changing one changes the format.

/// Longest event core, in bytes.
pub const CORE_BYTES: usize = 4 * 1024;
/// Longest text in any field, in bytes of UTF-8.
pub const TEXT_BYTES: usize = 256;
/// Longest `ref` of a consumption, in bytes of UTF-8.
pub const REF_BYTES: usize = 64;
/// Most events of one run.
pub const RUN_EVENTS: usize = 4_096;
/// Longest run, header included, in bytes.
pub const RUN_BYTES: usize = 1024 * 1024;
/// Most chains of one bundle.
pub const BUNDLE_CHAINS: usize = 64;
/// Longest bundle, in bytes.
pub const BUNDLE_BYTES: u64 = 1024 * 1024 * 1024;
/// Most runs of one chain that wait for events before them.
pub const PARKED_RUNS: usize = 64;
/// Most bytes of runs of one chain that wait for events before them.
pub const PARKED_BYTES: usize = 64 * 1024 * 1024;
/// Most branches of one chain.
pub const BRANCHES: usize = 64;
/// Longest attachment value, in bytes.
pub const ATTACHMENT_BYTES: usize = 64 * 1024;
/// Longest grant in its detached form, in bytes.
pub const GRANT_BYTES: usize = 64 * 1024;
/// Longest issuer certificate, in bytes.
pub const CERTIFICATE_BYTES: usize = 4 * 1024;
/// Longest product pack, in bytes.
pub const PACK_BYTES: usize = 1024 * 1024;
/// Most features of one product.
pub const FEATURES: usize = 1_024;
/// Most policies of one product that typed codes name, by numbers from 1.
pub const AIR_GAPPED_POLICIES: u16 = 63;
/// Most entries of a list that no other limit names.
pub const LIST_ENTRIES: usize = 1_024;
/// Deepest nesting of arrays in one value.
pub const NESTING: usize = 16;
/// Largest cumulative total: the integers that every JSON reader holds exactly.
pub const TOTAL_MAX: u64 = (1 << 53) - 1;
/// Highest place on a chain: as large as every JSON reader holds exactly.
pub const PLACE_MAX: u64 = (1 << 53) - 1;
/// Most groups of a code that is typed.
pub const CODE_GROUPS: usize = 160;
