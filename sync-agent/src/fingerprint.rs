//! What a device is recognised by. The values never leave the machine: only their keyed hashes do.

use std::fmt::Debug;
use std::fs;
use std::path::Path;

use ledger::fingerprint;
use schemas::event::device::FingerprintComponent;
use schemas::ids::FingerprintKey;

/// A component of a fingerprint. The numbers are part of the format.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Component {
    /// The operating system's machine identifier.
    MachineId = 1,
    /// The firmware's identifier of the machine.
    ProductUuid = 2,
    /// The serial number of the board.
    BoardSerial = 3,
    /// The address of the first network card that is a device.
    NetworkCard = 4,
    /// The name of the processor.
    Processor = 5,
}

/// Something that knows the values of this device's components.
pub trait FingerprintSource: Debug + Send + Sync {
    /// The components that can be read, in the order of their numbers. Containers and ordinary users may lack some.
    fn components(&self) -> Vec<(Component, String)>;
}

/// The machine that the process runs on.
#[derive(Clone, Copy, Debug, Default)]
pub struct ThisMachine;

impl FingerprintSource for ThisMachine {
    fn components(&self) -> Vec<(Component, String)> {
        let values = [
            (Component::MachineId, machine_uid::get().ok()),
            (Component::ProductUuid, read_line("/sys/class/dmi/id/product_uuid")),
            (Component::BoardSerial, read_line("/sys/class/dmi/id/board_serial")),
            (Component::NetworkCard, network_card(Path::new("/sys/class/net"))),
            (Component::Processor, processor()),
        ];
        values
            .into_iter()
            .filter_map(|(component, value)| {
                let value = value?.trim().to_lowercase();
                (!value.is_empty()).then_some((component, value))
            })
            .collect()
    }
}

/// The tags of a source's components under a product's key.
pub(crate) fn tags(source: &dyn FingerprintSource, key: &FingerprintKey) -> Vec<FingerprintComponent> {
    source
        .components()
        .into_iter()
        .map(|(component, value)| {
            let component = component as u8;
            FingerprintComponent { component, tag: fingerprint::tag(key, component, value.as_bytes()) }
        })
        .collect()
}

fn read_line(path: &str) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// The first card, by name, that stands for hardware: bridges, containers' ends and tunnels have no `device`.
fn network_card(folder: &Path) -> Option<String> {
    let mut cards: Vec<_> = fs::read_dir(folder)
        .ok()?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|card| card.join("device").exists())
        .collect();
    cards.sort();
    cards
        .iter()
        .filter_map(|card| fs::read_to_string(card.join("address")).ok())
        .find(|address| !address.trim().is_empty() && address.trim() != "00:00:00:00:00:00")
}

fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, name)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_are_read_in_order_and_without_blanks() {
        let components = ThisMachine.components();
        assert!(components.is_sorted_by_key(|(component, _)| *component));
        assert!(components.iter().all(|(_, value)| value.trim() == value && !value.is_empty()));
    }

    #[test]
    fn only_cards_that_are_devices_count() {
        let folder = tempfile::tempdir().expect("a temporary directory");
        for (name, address, is_device) in [
            ("docker0", "02:42:00:00:00:01", false),
            ("eth1", "52:54:00:00:00:02", true),
            ("lo", "00:00:00:00:00:00", true),
        ] {
            let card = folder.path().join(name);
            fs::create_dir(&card).expect("writable");
            fs::write(card.join("address"), address).expect("writable");
            if is_device {
                fs::create_dir(card.join("device")).expect("writable");
            }
        }
        assert_eq!(network_card(folder.path()).as_deref(), Some("52:54:00:00:00:02"));
    }
}
