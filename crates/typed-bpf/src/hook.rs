//! Where programs hang, and what they are called with.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::rc::Rc;

use crate::Marker;
use crate::layout::CType;
use crate::layout::Definitions;
use crate::layout::Field;
use crate::source::Source;
use crate::value::Val;

/// A type of program; it decides what may be called and how memory is read.
pub trait Kind: 'static {
    /// What its sections begin with.
    const SECTION: &'static str;
    /// The C parameter of the program.
    const CONTEXT: &'static str;
    /// Whether pointers that it is given are followed as they are. Else a helper copies.
    const BTF_POINTERS: bool;
}

/// One that is called with what its hook was called with.
pub trait WithArguments: Kind {
    /// The argument with this number, from 0, as a number; `None` where it is not at hand.
    fn argument(at: usize) -> Option<String>;
}

/// One that may follow pointers, and hand them to helpers (`tp_btf`, `fentry`).
pub trait WithBtf: Kind {}

/// One that may call `bpf_get_func_ip()`, since Linux 5.15: it hangs on a function.
pub trait OnFunction: Kind {}

macro_rules! kinds {
    ($($(#[$meta:meta])* $Name:ident, $section:literal, $context:literal, $btf:literal;)*) => {$(
        $(#[$meta])*
        #[derive(Debug)]
        pub struct $Name;

        impl Kind for $Name {
            const SECTION: &'static str = $section;
            const CONTEXT: &'static str = $context;
            const BTF_POINTERS: bool = $btf;
        }
    )*};
}

kinds! {
    /// A tracepoint by its fields, as tracefs lists them.
    Tracepoint, "tracepoint", "", false;
    /// A tracepoint by its arguments, as numbers.
    RawTracepoint, "raw_tp", "struct bpf_raw_tracepoint_args *ctx", false;
    /// A tracepoint by its arguments, whose types the kernel knows.
    TpBtf, "tp_btf", "__u64 *ctx", true;
    /// The entry of a function, whose types the kernel knows.
    Fentry, "fentry", "__u64 *ctx", true;
    /// The entry of a function.
    Kprobe, "kprobe", "struct pt_regs *ctx", false;
    /// The return of a function.
    Kretprobe, "kretprobe", "struct pt_regs *ctx", false;
    /// An event of the kernel's performance counters.
    PerfEvent, "perf_event", "void *ctx", false;
}

impl WithArguments for RawTracepoint {
    fn argument(at: usize) -> Option<String> {
        Some(format!("ctx->args[{at}]"))
    }
}

impl WithArguments for TpBtf {
    fn argument(at: usize) -> Option<String> {
        Some(format!("ctx[{at}]"))
    }
}

impl WithArguments for Fentry {
    fn argument(at: usize) -> Option<String> {
        Some(format!("ctx[{at}]"))
    }
}

impl WithArguments for Kprobe {
    /// Five of them are in registers on every architecture that libbpf knows.
    fn argument(at: usize) -> Option<String> {
        (at < 5).then(|| format!("PT_REGS_PARM{}(ctx)", at + 1))
    }
}

impl WithBtf for TpBtf {}
impl WithBtf for Fentry {}
impl OnFunction for Fentry {}
impl OnFunction for Kprobe {}
impl OnFunction for Kretprobe {}

/// The parameters of a tracepoint or a function, defined by
/// [`arguments!`](crate::arguments).
pub trait Arguments: 'static {
    /// The name of the tracepoint or function.
    const TARGET: &'static str;
}

/// The fields of a tracepoint, defined by [`tracepoint_fields!`](crate::tracepoint_fields).
pub trait Fields: 'static {
    /// Category and name, as in tracefs.
    const TARGET: &'static str;
    /// The kernel's struct with the fields.
    const STRUCT: &'static str;
    /// Its C declaration.
    fn define(into: &mut Definitions);
}

/// One parameter: its place, name and type.
#[derive(Debug)]
pub struct Argument<H, T> {
    at: usize,
    name: &'static str,
    types: PhantomData<fn() -> (H, T)>,
}

impl<H, T> Argument<H, T> {
    /// Made by [`arguments!`](crate::arguments).
    #[doc(hidden)]
    pub const fn new(at: usize, name: &'static str) -> Self {
        Self {
            at,
            name,
            types: PhantomData,
        }
    }
}

/// What a program was called with.
#[derive(Debug)]
pub struct Context<'s, H, K> {
    pub(crate) source: Rc<RefCell<Source>>,
    pub(crate) types: Marker<'s, (H, K)>,
}

impl<'s, H: Arguments, K: WithArguments> Context<'s, H, K> {
    /// An argument.
    pub fn get<T: CType>(&self, argument: Argument<H, T>) -> Val<'s, T> {
        let mut source = self.source.borrow_mut();
        let value = K::argument(argument.at).unwrap_or_else(|| {
            source.refused = Some(format!(
                "{} is not at hand: a {} program has the first five arguments",
                argument.name,
                K::SECTION
            ));
            "0".to_owned()
        });
        Val::new(source.declare_cast::<T>(argument.name, &value))
    }
}

impl<'s, H: Fields> Context<'s, H, Tracepoint> {
    /// A field.
    pub fn field<T: CType>(&self, field: Field<H, T>) -> Val<'s, T> {
        let mut source = self.source.borrow_mut();
        let value = format!("ctx->{}", field.name());
        Val::new(source.declare::<T>(field.name(), &value))
    }
}

impl<'s, H: Arguments> Context<'s, H, Kretprobe> {
    /// What the function returned.
    pub fn returned<T: CType>(&self) -> Val<'s, T> {
        let mut source = self.source.borrow_mut();
        Val::new(source.declare_cast::<T>("returned", "PT_REGS_RC(ctx)"))
    }
}

/// Names the parameters of a tracepoint (`TP_PROTO` in the kernel's sources) or of a
/// function, in their order. Those behind the last one that is needed can be left out.
///
/// ```
/// # typed_bpf::kernel_struct! { pub struct TaskStruct("task_struct") { pid: i32 } }
/// typed_bpf::arguments! {
///     /// include/trace/events/sched.h
///     pub struct SchedSwitch("sched_switch") {
///         preempt: u32,
///         prev: typed_bpf::Ptr<TaskStruct>,
///         next: typed_bpf::Ptr<TaskStruct>,
///     }
/// }
/// ```
#[macro_export]
macro_rules! arguments {
    ($(#[$meta:meta])* $vis:vis struct $Name:ident($target:literal) {
        $($argument:ident : $Type:ty),* $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Debug)]
        $vis struct $Name;

        impl $crate::Arguments for $Name {
            const TARGET: &'static str = $target;
        }

        $crate::arguments!(@each $vis $Name; 0usize; $($argument: $Type,)*);
    };
    (@each $vis:vis $Name:ident; $at:expr;) => {};
    (@each $vis:vis $Name:ident; $at:expr; $argument:ident: $Type:ty, $($rest:tt)*) => {
        #[allow(non_upper_case_globals, missing_docs, dead_code, reason = "each is a parameter")]
        impl $Name {
            $vis const $argument: $crate::Argument<$Name, $Type> =
                $crate::Argument::new($at, stringify!($argument));
        }
        $crate::arguments!(@each $vis $Name; $at + 1usize; $($rest)*);
    };
}

/// Names fields of a tracepoint, as its `format` in tracefs lists them, and the kernel's
/// struct that holds them: `trace_event_raw_` and the name of the event's class.
///
/// ```
/// typed_bpf::tracepoint_fields! {
///     /// include/trace/events/syscalls.h
///     pub struct ConnectExit("syscalls/sys_exit_connect", "trace_event_raw_sys_exit") {
///         ret: i64,
///     }
/// }
/// ```
#[macro_export]
macro_rules! tracepoint_fields {
    ($(#[$meta:meta])* $vis:vis struct $Name:ident($target:literal, $c:literal) {
        $($field:ident : $Type:ty),* $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Debug)]
        $vis struct $Name;

        #[allow(non_upper_case_globals, missing_docs, dead_code, reason = "each is a field")]
        impl $Name {
            $($vis const $field: $crate::Field<$Name, $Type> =
                $crate::Field::new(stringify!($field));)*
        }

        impl $crate::Fields for $Name {
            const TARGET: &'static str = $target;
            const STRUCT: &'static str = $c;
            fn define(into: &mut $crate::layout::Definitions) {
                into.add($c, |into| {
                    let _ = &into;
                    $(<$Type as $crate::CType>::define(into);)*
                    let fields: &[String] = &[$(<$Type as $crate::CType>::declare(stringify!($field))),*];
                    $crate::kernel::struct_text($c, fields)
                });
            }
        }
    };
}
