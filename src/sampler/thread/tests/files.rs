//! A host that is nothing but files.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::sampler::Version;

const PID: u32 = 4242;
const MOUNTS: &str = "30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
const CONNTRACK: &str = "entries clashres insert_failed drop early_drop\n";
const ENTRY: &str = "ipv4 2 udp 17 117 src=10.77.0.1 dst=10.96.0.10 sport=40000 dport=53 \
    src=10.77.0.9 dst=10.77.0.1 sport=5353 dport=40000 [ASSURED] mark=0 zone=0 use=2\n";

struct Host {
    folder: TempDir,
    netns: u32,
}

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut host = Self { folder, netns: 0 };
        host.write("proc/thread-self/mountinfo", MOUNTS);
        host.write("proc/sys/net/netfilter/nf_conntrack_max", "100\n");
        host.process("cgroup", "0::/pod/container\n");
        host.process("ns/net", "");
        host.process(
            "root/etc/resolv.conf",
            "nameserver 10.96.0.10\noptions ndots:5\n",
        );
        host.process("net/nf_conntrack", ENTRY);
        host.count(1);
        host.netns = host.root().process(PID).inode("ns/net").expect("an inode");
        host
    }

    fn root(&self) -> Root {
        Root::at(self.folder.path())
    }

    fn write(&self, file: impl AsRef<Path>, text: &str) {
        let path = self.root().path(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("its folder");
        fs::write(path, text).expect("a file");
    }

    fn process(&self, file: &str, text: &str) {
        self.write(format!("proc/{PID}/{file}"), text);
    }

    /// All counters are so high.
    fn count(&self, n: u32) {
        let udp = "NoPorts RcvbufErrors SndbufErrors InCsumErrors";
        self.process("net/snmp", &format!("Udp: {udp}\nUdp: {n} {n} {n} {n}\n"));
        let conntrack = format!("{CONNTRACK}{:x} {n:x} {n:x} {n:x} {n:x}\n", 10 * n);
        self.process("net/stat/nf_conntrack", &conntrack);
        let stat = format!("{PID} (a) S 1 1 1 0 -1 4 0 0 0 0 {n} 0 0 0 20 0 1 0 250 0");
        self.process("stat", &stat);
        self.write("proc/net/softnet_stat", &format!("0 {n:x} 0 0\n"));
        let arp = format!("entries table_fulls\n{n:x} {n:x}\n");
        self.write("proc/net/stat/arp_cache", &arp);
        let group = "sys/fs/cgroup/pod";
        self.write(format!("{group}/cpu.max"), "20000 100000\n");
        let stat = format!("nr_periods {n}\nnr_throttled {n}\nthrottled_usec {n}\n");
        self.write(format!("{group}/cpu.stat"), &stat);
    }
}

#[test]
fn live_everything_is_read_below_the_root() {
    let host = Host::new();
    let mut sampler = Sampler::start(host.root(), Watches::default());
    let mut asked = attempt(("a", PID), "10.96.0.10:53", Outcome::Unanswered, 1);
    asked.owner.netns = host.netns;
    sampler.meet_now(&asked);
    host.count(6);
    let sample = sampler.finish();

    assert_eq!(sample.own_netns, None, "kerno is not in there");
    assert_eq!(sample.udp[&host.netns], 5);
    assert_eq!(sample.checksums[&host.netns], 5);
    let full = [sample.shared.backlog, sample.shared.arp].map(|it| it.map(|it| it.full));
    assert_eq!(full, [Some(5); 2]);
    let conntrack = sample.conntrack[&host.netns];
    assert_eq!((conntrack.insert_failed, conntrack.entries), (5, 60));
    let fullest = conntrack.fullest.expect("a limit");
    assert_eq!((fullest.entries, fullest.max), (60, 100));
    let flow = sample.flows.first().expect("an entry");
    assert_eq!(flow.reply_source, "10.77.0.9:5353".parse().unwrap());

    let client = &sample.clients[&PID];
    let conf = client.resolv_conf.as_ref().expect("resolv.conf");
    assert_eq!(conf.ndots, 5);
    assert_eq!(
        conf.path.to_str().expect("a path"),
        format!("/proc/{PID}/root/etc/resolv.conf")
    );
    assert!(!client.ended);
    let quota = client.quota.as_ref().expect("a quota");
    assert_eq!(quota.cgroup.as_path(), Path::new("/sys/fs/cgroup/pod"));
    assert_eq!((quota.version, quota.throttled_periods), (Version::V2, 5));
    assert!(sample.missing.is_empty(), "{:?}", sample.missing);
}
