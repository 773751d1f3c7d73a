//! What manages this host, as far as a fix has to know: probed by the files that it leaves.

use borsh::BorshDeserialize;
use borsh::BorshSerialize;

use super::proc::Root;

/// A file of settings is no larger.
const SETTINGS_MAX: u64 = 16 << 10;
/// What is there while firewalld runs. Its unit has it write no file of its number (`--nopid`):
/// then its control group tells, in the hierarchy that systemd uses.
const FIREWALLD: [&str; 4] = [
    "run/firewalld.pid",
    "sys/fs/cgroup/system.slice/firewalld.service",
    "sys/fs/cgroup/unified/system.slice/firewalld.service",
    "sys/fs/cgroup/systemd/system.slice/firewalld.service",
];

/// What is in use here.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tools {
    /// The host is a node of Kubernetes.
    pub kubelet: bool,
    /// firewalld runs.
    pub firewalld: bool,
    /// ufw is switched on.
    pub ufw: bool,
}

impl Tools {
    /// Looks for them below this root.
    pub fn probe(root: &Root) -> Self {
        let is_there = |path: &str| root.path(path).exists();
        let ufw = root.text("etc/ufw/ufw.conf", SETTINGS_MAX);
        Self {
            kubelet: is_there("var/lib/kubelet"),
            firewalld: FIREWALLD.into_iter().any(is_there),
            ufw: ufw.is_ok_and(|text| text.lines().any(|line| line.trim() == "ENABLED=yes")),
        }
    }

    /// Those of either.
    pub fn or(self, other: Self) -> Self {
        Self {
            kubelet: self.kubelet || other.kubelet,
            firewalld: self.firewalld || other.firewalld,
            ufw: self.ufw || other.ufw,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn each_is_known_by_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let probe = || Tools::probe(&Root::at(folder.path()));
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        assert_eq!(probe(), Tools::default());
        write("etc/ufw/ufw.conf", "# ENABLED=yes\nENABLED=no\n");
        assert_eq!(probe(), Tools::default());
        write("etc/ufw/ufw.conf", "ENABLED=yes\nLOGLEVEL=low\n");
        for path in FIREWALLD {
            write(path, "7\n");
            assert!(probe().firewalld, "{path}");
            fs::remove_file(folder.path().join(path)).unwrap();
            assert!(!probe().firewalld, "{path}");
        }
        write(FIREWALLD[1], "7\n");
        write("var/lib/kubelet/config.yaml", "");
        let all = Tools {
            kubelet: true,
            firewalld: true,
            ufw: true,
        };
        assert_eq!(probe(), all);
        assert_eq!(Tools::default().or(all), all);
    }
}
