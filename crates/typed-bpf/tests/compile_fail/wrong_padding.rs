//! C would put four octets behind the second field.

typed_bpf::bpf_struct! {
    /// Whose it is.
    pub struct Owner {
        /// Control group.
        pub cgroup_id: u64,
        /// Process.
        pub tgid: u32,
    }
}

fn main() {}
