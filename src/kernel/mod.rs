mod bpf { #![allow(missing_docs, unreachable_pub, unused_imports)] include!(concat!(env!("OUT_DIR"), "/dns_monitor.skel.rs")); }
