//! What else the machine is asked: its name, its start, and randomness.

use std::fs;

use schemas::codes::Code;
use schemas::ids::InstanceId;
use schemas::refusal::Refusal;

/// The host's name.
pub(crate) fn host_name() -> Option<String> {
    #[cfg(unix)]
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    #[cfg(not(unix))]
    let name = std::env::var("COMPUTERNAME").unwrap_or_default();
    (!name.is_empty()).then_some(name)
}

/// Names this start of the machine; where the system has no name for it, this start of the process.
pub(crate) fn boot() -> Result<InstanceId, Refusal> {
    match fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().and_then(|text| read_uuid(&text)) {
        Some(boot) => Ok(boot),
        None => instance(),
    }
}

/// A new random name.
pub(crate) fn instance() -> Result<InstanceId, Refusal> {
    let mut id = InstanceId([0; 16]);
    getrandom::fill(&mut id.0).map_err(no_randomness)?;
    Ok(id)
}

pub(crate) fn no_randomness(error: getrandom::Error) -> Refusal {
    Refusal::from_error(Code::Failed, &error).at("the operating system gives no randomness")
}

fn read_uuid(text: &str) -> Option<InstanceId> {
    text.trim().replace('-', "").parse().ok()
}
