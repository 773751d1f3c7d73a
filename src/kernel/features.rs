//! What the running kernel's BPF can do, beyond what kerno needs: known by trying, or
//! by the kernel's own types.

use std::ffi::OsStr;
use std::os::fd::FromRawFd as _;

use libbpf_rs::btf::Btf;
use libbpf_rs::btf::BtfKind;
use libbpf_rs::btf::BtfType;
use libbpf_rs::btf::TypeId;
use libbpf_rs::btf::types::Enum;
use libbpf_rs::btf::types::Func;

/// What the programs are chosen and configured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Features {
    /// Atomic swaps, since Linux 5.12. Before that the kernel refuses a program that has
    /// one, even where it is never run.
    pub(crate) swaps: bool,
    /// Fields of the kernel's own packet can be read as they are
    /// (`bpf_cast_to_kern_ctx`), since Linux 6.2.
    pub(crate) types: bool,
    /// Which of the kernel's counters of IP packets is `IPSTATS_MIB_OUTNOROUTES`; it is
    /// not the same in all kernels.
    pub(crate) no_routes: Option<u32>,
}

impl Features {
    /// Asks the running kernel.
    pub(crate) fn of_this_kernel() -> Self {
        let btf = Btf::from_vmlinux().ok();
        let cast = |btf: &Btf<'_>| {
            btf.type_by_name::<Func<'_>>("bpf_cast_to_kern_ctx")
                .is_some()
        };
        Self {
            swaps: takes_a_swap(),
            types: btf.as_ref().is_some_and(cast),
            no_routes: btf.as_ref().and_then(no_routes),
        }
    }
}

/// Its enum has no name to find it by.
fn no_routes(btf: &Btf<'_>) -> Option<u32> {
    let value = |list: Enum<'_>| {
        let name = |name: &OsStr| name == "IPSTATS_MIB_OUTNOROUTES";
        let found = list.iter().find(|it| it.name.is_some_and(name))?;
        u32::try_from(found.value).ok()
    };
    let ids = (1..).map(TypeId::from);
    ids.map_while(|id| btf.type_by_id::<BtfType<'_>>(id))
        .filter(|it| it.kind() == BtfKind::Enum && it.name().is_none())
        .find_map(|it| value(it.try_into().ok()?))
}

/// Whether the verifier takes a program with an atomic swap on its stack.
fn takes_a_swap() -> bool {
    let insn = |code: u32, registers: u8, off: i16, imm: i32| {
        let mut insn = libbpf_sys::bpf_insn {
            code: code as u8,
            off,
            imm,
            ..Default::default()
        };
        insn.set_dst_reg(registers & 15);
        insn.set_src_reg(registers >> 4);
        insn
    };
    // include/uapi/linux/bpf.h; r10 is the frame pointer.
    let wide_store = libbpf_sys::BPF_STX | libbpf_sys::BPF_DW;
    let program = [
        insn(libbpf_sys::BPF_ALU64 | libbpf_sys::BPF_MOV, 0x00, 0, 0),
        insn(wide_store | libbpf_sys::BPF_MEM, 0x0a, -8, 0),
        insn(
            wide_store | libbpf_sys::BPF_ATOMIC,
            0x0a,
            -8,
            libbpf_sys::BPF_XCHG as i32,
        ),
        insn(libbpf_sys::BPF_JMP | libbpf_sys::BPF_EXIT, 0, 0, 0),
    ];
    // SAFETY: the program and its licence outlive the call, which reads as many
    // instructions as are told; no options.
    let fd = unsafe {
        libbpf_sys::bpf_prog_load(
            libbpf_sys::BPF_PROG_TYPE_CGROUP_SKB,
            std::ptr::null(),
            c"GPL".as_ptr(),
            program.as_ptr(),
            program.len() as libbpf_sys::size_t,
            std::ptr::null_mut(),
        )
    };
    if fd < 0 {
        return false;
    }
    // SAFETY: a descriptor that the kernel has just given, and that nobody else has.
    drop(unsafe { std::os::fd::OwnedFd::from_raw_fd(fd) });
    true
}
