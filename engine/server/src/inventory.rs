//! What the inventory file knows of names, for the engine: one thing has one name in locks, approvals and the record.

use flyball_engine::ports::{Inventory, NoInventory};
use flyball_engine::target::Target;
use flyball_netops::inventory::{Error, Files, Inventory as Devices};
use std::path::Path;
use std::sync::Arc;

/// Reads the inventory file, if the settings name one.
pub(crate) fn read(path: Option<&Path>) -> Result<Arc<dyn Inventory>, Error> {
    Ok(match path {
        None => Arc::new(NoInventory),
        Some(path) => Arc::new(Names(Devices::load(&Files::new(path.to_owned(), None))?)),
    })
}

struct Names(Devices);

impl Inventory for Names {
    /// `device:NAME…` by name, whether it was called by name, address or loopback; `link:DEVICE/INTERFACE` as the
    /// interfaces at both its ends.
    fn canonical(&self, target: Target) -> Vec<Target> {
        let ends = target.as_str().strip_prefix("link:").and_then(|link| self.ends(link));
        let device = || {
            let name = &self.0.resolve(target.device()?).ok()?.name;
            target.on_device(name)
        };
        ends.or_else(|| Some(vec![device()?]))
            .unwrap_or_else(|| vec![target.clone()])
    }

    fn writable(&self, target: &Target) -> Option<bool> {
        Some(self.0.resolve(target.device()?).ok()?.writable)
    }

    fn devices(&self) -> Option<Vec<String>> {
        Some(self.0.devices().iter().map(|device| device.name.clone()).collect())
    }

    fn redundancy_group(&self, target: &Target) -> Option<String> {
        self.0.resolve(target.device()?).ok()?.redundancy_group.clone()
    }

    fn platform(&self, target: &Target) -> Option<String> {
        Some(self.0.resolve(target.device()?).ok()?.platform.name().to_owned())
    }
}

impl Names {
    fn ends(&self, link: &str) -> Option<Vec<Target>> {
        let (device, interface) = link.split_once('/')?;
        let device = self.0.resolve(device).ok()?;
        let end = |device: &str, interface: &str| Target::parse(&format!("device:{device}/interface:{interface}")).ok();
        let near = end(&device.name, interface)?;
        let far = device.links.iter().find(|l| l.interface == interface);
        let far = far.and_then(|l| end(&l.peer, &l.peer_interface));
        Some(std::iter::once(near).chain(far).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn inventory() -> (tempfile::TempDir, Arc<dyn Inventory>) {
        let dir = tempfile::tempdir().unwrap();
        let (devices, credentials) = (dir.path().join("inventory.yaml"), dir.path().join("credentials.yaml"));
        std::fs::write(
            &devices,
            "devices:\n- {name: a, platform: ios, address: 192.0.2.1, credentials: c, redundancy_group: pair, links: [\
             {interface: Gi0/1, address: 10.0.0.1/30, peer: b, peer_interface: eth0}]}\n\
             - {name: b, platform: frr, address: 192.0.2.2, credentials: c}\n",
        )
        .unwrap();
        std::fs::write(&credentials, "c: {username: u, password: p}\n").unwrap();
        std::fs::set_permissions(&credentials, std::fs::Permissions::from_mode(0o600)).unwrap();
        let read = read(Some(&devices)).unwrap();
        (dir, read)
    }

    fn canonical(text: &str) -> Vec<String> {
        let (_dir, inventory) = inventory();
        let targets = inventory.canonical(Target::parse(text).unwrap());
        targets.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_device_has_one_name_however_it_is_called() {
        for called in ["device:a", "device:A", "device:192.0.2.1"] {
            assert_eq!(canonical(called), ["device:a"], "{called}");
        }
        assert_eq!(
            canonical("device:192.0.2.1/interface:Gi0/1"),
            ["device:a/interface:Gi0/1"]
        );
    }

    #[test]
    fn a_link_is_both_its_ends() {
        let both = ["device:a/interface:Gi0/1", "device:b/interface:eth0"];
        assert_eq!(canonical("link:192.0.2.1/Gi0/1"), both);
        assert_eq!(
            canonical("link:b/eth0"),
            ["device:b/interface:eth0"],
            "its other end is not in the inventory"
        );
    }

    #[test]
    fn what_the_inventory_does_not_know_stays_as_it_is() {
        for unknown in ["device:c", "server:config", "link:c/x", "memory:note"] {
            assert_eq!(canonical(unknown), [unknown]);
        }
    }

    #[test]
    fn a_redundancy_group_is_found_by_target() {
        let (_dir, inventory) = inventory();
        let group = |text: &str| inventory.redundancy_group(&Target::parse(text).unwrap());
        assert_eq!(group("device:192.0.2.1/interface:Gi0/1").as_deref(), Some("pair"));
        assert_eq!(group("device:b"), None);
    }
}
