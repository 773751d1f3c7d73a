//! Whose a figure is.

use typed_bpf::Block;
use typed_bpf::BpfType;
use typed_bpf::Comm;
use typed_bpf::Field;
use typed_bpf::Hash;
use typed_bpf::Kind;
use typed_bpf::Local;
use typed_bpf::Ptr;
use typed_bpf::Val;
use typed_bpf::bpf_struct;

use crate::kernel::Cgroup;
use crate::kernel::CssSet;
use crate::kernel::KernfsNode;
use crate::kernel::Sock;
use crate::kernel::SockCgroupData;
use crate::kernel::TaskStruct;

/// Owners that a map has room for.
pub const OWNERS_MAX: u32 = 4096;

bpf_struct! {
    /// A process in a control group.
    pub struct Owner {
        /// Control group of version 2; 0 if it is not known.
        pub cgroup_id: u64,
        /// Process; 0 if it is not known.
        pub tgid: u32,
        /// Always 0.
        pub pad: u32,
    }
}

/// The process that is running.
pub(crate) fn current<'s, K: Kind>(b: &mut Block<'s, K>) -> Local<'s, Owner> {
    let cgroup_id = b.current_cgroup_id();
    let tgid = b.current_tgid();
    let owner = b.new_struct::<Owner>("owner");
    owner
        .set(Owner::cgroup_id, cgroup_id)
        .set(Owner::tgid, tgid);
    owner
}

/// The process of a thread.
pub(crate) fn of_task<'s, K: Kind>(
    b: &mut Block<'s, K>,
    task: &Val<'_, Ptr<TaskStruct>>,
) -> Local<'s, Owner> {
    let group = TaskStruct::cgroups.to(CssSet::dfl_cgrp).to(Cgroup::kn);
    let cgroup_id = b.read(task, group.to(KernfsNode::id));
    let tgid = b.read(task, TaskStruct::tgid);
    let owner = b.new_struct::<Owner>("owner");
    owner
        .set(Owner::cgroup_id, cgroup_id)
        .set(Owner::tgid, tgid.to::<u32>());
    owner
}

/// The control group of a socket; its process is not known.
pub(crate) fn of_socket<'s, K: Kind>(
    b: &mut Block<'s, K>,
    sk: &Val<'_, Ptr<Sock>>,
) -> Local<'s, Owner> {
    let owner = b.new_struct::<Owner>("owner");
    let is_pointer = b.has_field(SockCgroupData::cgroup);
    let id = Cgroup::kn.to(KernfsNode::id);
    b.when_else(
        is_pointer,
        |b| {
            let group = Sock::sk_cgrp_data.within(SockCgroupData::cgroup);
            let id = b.read(sk, group.to(Cgroup::kn).to(KernfsNode::id));
            owner.set(Owner::cgroup_id, id);
        },
        |b| {
            let val = b.read(sk, Sock::sk_cgrp_data.within(SockCgroupData::val));
            // Bit 0: it is the numbers of version 1, not a pointer.
            b.when(val.and_bits(1).is(0), |b| {
                let group = b.probe(&val.and_bits(!3).as_pointer::<Cgroup>(), id);
                owner.set(Owner::cgroup_id, group);
            });
        },
    );
    owner
}

/// The name of a thread's process, as `comm` of its leader.
pub(crate) fn leader_comm<K: Kind, V: BpfType>(
    b: &mut Block<'_, K>,
    task: &Val<'_, Ptr<TaskStruct>>,
    entry: &typed_bpf::Entry<'_, V>,
    field: Field<V, Comm>,
) {
    b.copy(
        task,
        TaskStruct::group_leader.to(TaskStruct::comm),
        entry,
        field,
    );
}

/// Adds 1 to a field of the process that is running, whose name goes with it.
pub(crate) fn count<K: Kind, V: BpfType>(
    b: &mut Block<'_, K>,
    map: Hash<Owner, V>,
    comm: Field<V, Comm>,
    field: Field<V, u64>,
) {
    let owner = current(b);
    map.entry(b, &owner, |_, it| {
        it.set_current_comm(comm);
        it.add(field, 1);
    });
}
