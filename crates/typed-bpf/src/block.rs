//! What a program does: statements, one after the other, and what is within them.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::rc::Rc;

use crate::Marker;
use crate::entry::Entry;
use crate::hook::Kind;
use crate::hook::OnFunction;
use crate::hook::WithBtf;
use crate::kernel::KernelType;
use crate::kernel::Path;
use crate::kernel::Ptr;
use crate::layout::BpfType;
use crate::layout::CType;
use crate::layout::Field;
use crate::layout::Scalar;
use crate::local::Local;
use crate::local::Variable;
use crate::source::Source;
use crate::value::Operand;
use crate::value::Val;

/// A block of a program of type `K`. What is declared in it is known as long as `'s`.
#[derive(Debug)]
pub struct Block<'s, K> {
    pub(crate) source: Rc<RefCell<Source>>,
    pub(crate) types: Marker<'s, K>,
}

impl<'s, K: Kind> Block<'s, K> {
    pub(crate) fn new(source: Rc<RefCell<Source>>) -> Self {
        Self {
            source,
            types: PhantomData,
        }
    }

    /// A block within this one.
    pub(crate) fn within<'i>(&self) -> Block<'i, K> {
        Block::new(Rc::clone(&self.source))
    }

    pub(crate) fn line(&mut self, text: &str) {
        self.source.borrow_mut().line(text);
    }

    pub(crate) fn declare<T: CType>(&mut self, like: &str, value: &str) -> Val<'s, T> {
        Val::new(self.source.borrow_mut().declare::<T>(like, value))
    }

    /// Only if it is so.
    pub fn when(&mut self, condition: Val<'_, bool>, then: impl for<'i> FnOnce(&mut Block<'i, K>)) {
        self.source.borrow_mut().open(&if_head(&condition));
        then(&mut self.within());
        self.source.borrow_mut().close();
    }

    /// One or the other.
    pub fn when_else(
        &mut self,
        condition: Val<'_, bool>,
        then: impl for<'i> FnOnce(&mut Block<'i, K>),
        or: impl for<'i> FnOnce(&mut Block<'i, K>),
    ) {
        self.source.borrow_mut().open(&if_head(&condition));
        then(&mut self.within());
        self.source.borrow_mut().turn("else");
        or(&mut self.within());
        self.source.borrow_mut().close();
    }

    /// Nothing more is done if it is so.
    pub fn leave_when(&mut self, condition: Val<'_, bool>) {
        self.line(&format!("{}\n\treturn 0;", if_head(&condition)));
    }

    /// A variable that can be set again.
    pub fn variable<T: Scalar>(&mut self, like: &str, first: impl Operand<T>) -> Variable<'s, T> {
        let name = self.declare::<T>(like, &first.text()).code().to_owned();
        Variable::new(name, Rc::clone(&self.source))
    }

    /// A struct on the stack, all 0.
    pub fn new_struct<S: BpfType>(&mut self, like: &str) -> Local<'s, S> {
        let mut source = self.source.borrow_mut();
        S::define(&mut source.definitions);
        let name = source.name(like);
        source.take_stack(size_of::<S>());
        source.line(&format!("{} = {{}};", S::declare(&name)));
        drop(source);
        Local::new(name, Rc::clone(&self.source))
    }

    /// A copy on the stack of a struct within an entry.
    pub fn copy_of<V: BpfType, S: BpfType>(
        &mut self,
        entry: &Entry<'_, V>,
        field: Field<V, S>,
    ) -> Local<'s, S> {
        let copy = self.new_struct::<S>(field.name());
        self.line(&format!(
            "{} = {}->{};",
            copy.name(),
            entry.raw(),
            field.name()
        ));
        copy
    }

    /// A field of one of the kernel's structs, or of one that it leads to.
    pub fn read<S: KernelType, T: CType>(
        &mut self,
        from: &Val<'_, Ptr<S>>,
        path: impl Into<Path<S, T>>,
    ) -> Val<'s, T> {
        let path = path.into();
        if !K::BTF_POINTERS {
            return self.probe(from, path);
        }
        path.define(&mut self.source.borrow_mut().definitions);
        let value = format!("{}{}", from.code(), path.arrows());
        self.declare::<T>(path.name(), &value)
    }

    /// The same by helper, from wherever the pointer comes: a wrong one reads as 0.
    pub fn probe<S: KernelType, T: CType>(
        &mut self,
        from: &Val<'_, Ptr<S>>,
        path: impl Into<Path<S, T>>,
    ) -> Val<'s, T> {
        let path = path.into();
        path.define(&mut self.source.borrow_mut().definitions);
        let value = format!("BPF_CORE_READ({}{})", from.code(), path.arguments());
        self.declare::<T>(path.name(), &value)
    }

    /// Copies a field of one of the kernel's structs into a field of an entry that is as
    /// long, by helper.
    pub fn copy<S: KernelType, T, V: BpfType, U: BpfType>(
        &mut self,
        from: &Val<'_, Ptr<S>>,
        path: impl Into<Path<S, T>>,
        entry: &Entry<'_, V>,
        to: Field<V, U>,
    ) {
        let to = format!("{}->{}", entry.raw(), to.name());
        self.copy_into::<S, T, U>(from, path.into(), &to);
    }

    /// The same into a struct on the stack.
    pub fn copy_to<S: KernelType, T, V: BpfType, U: BpfType>(
        &mut self,
        from: &Val<'_, Ptr<S>>,
        path: impl Into<Path<S, T>>,
        local: &Local<'_, V>,
        to: Field<V, U>,
    ) {
        let to = format!("{}.{}", local.name(), to.name());
        self.copy_into::<S, T, U>(from, path.into(), &to);
    }

    fn copy_into<S: KernelType, T, U>(
        &mut self,
        from: &Val<'_, Ptr<S>>,
        path: Path<S, T>,
        to: &str,
    ) {
        const { assert!(size_of::<T>() == size_of::<U>(), "it is as long") };
        path.define(&mut self.source.borrow_mut().definitions);
        let from = format!("{}{}", from.code(), path.arguments());
        self.line(&format!("BPF_CORE_READ_INTO(&{to}, {from});"));
    }

    /// Whether the running kernel's struct has the field. It is known when the program is
    /// loaded; what is not done then is not verified either.
    pub fn has_field<S: KernelType, T>(&mut self, field: Field<S, T>) -> Val<'s, bool> {
        S::define(&mut self.source.borrow_mut().definitions);
        let of = format!("((struct {} *)0)->{}", S::NAME, field.name());
        Val::new(format!("bpf_core_field_exists({of})"))
    }

    /// The control group (version 2) of who is running.
    pub fn current_cgroup_id(&mut self) -> Val<'s, u64> {
        self.declare("cgroup_id", "bpf_get_current_cgroup_id()")
    }

    /// The process of who is running.
    pub fn current_tgid(&mut self) -> Val<'s, u32> {
        self.declare("tgid", "bpf_get_current_pid_tgid() >> 32")
    }

    /// The thread that is running.
    pub fn current_tid(&mut self) -> Val<'s, u32> {
        self.declare("tid", "(__u32)bpf_get_current_pid_tgid()")
    }

    /// Nanoseconds of the monotonic clock.
    pub fn now_ns(&mut self) -> Val<'s, u64> {
        self.declare("now", "bpf_ktime_get_ns()")
    }

    /// The thread that is running, in whole; to be read with [`Block::probe`].
    pub fn current_task<T: KernelType>(&mut self) -> Val<'s, Ptr<T>> {
        const { assert!(is(T::NAME, "task_struct"), "it is a struct task_struct") };
        T::define(&mut self.source.borrow_mut().definitions);
        self.declare("task", "(struct task_struct *)bpf_get_current_task()")
    }

    /// C as it is.
    pub fn raw(&mut self, text: &str) {
        self.line(text);
    }

    /// An expression of C, whose type is vouched for here.
    pub fn raw_value<T: CType>(&mut self, like: &str, expression: &str) -> Val<'s, T> {
        self.declare(like, expression)
    }
}

impl<'s, K: OnFunction> Block<'s, K> {
    /// The address of the function that the program hangs on. Since Linux 5.15.
    pub fn func_ip(&mut self) -> Val<'s, u64> {
        self.declare("func_ip", "bpf_get_func_ip(ctx)")
    }
}

impl<K: WithBtf> Block<'_, K> {
    /// What is done if the socket is one of TCP (`bpf_skc_to_tcp_sock()`).
    pub fn if_tcp<S: KernelType, T: KernelType>(
        &mut self,
        sk: &Val<'_, Ptr<S>>,
        then: impl for<'i> FnOnce(&mut Block<'i, K>, Val<'i, Ptr<T>>),
    ) {
        const {
            assert!(is(S::NAME, "sock"), "it is asked of a struct sock");
            assert!(is(T::NAME, "tcp_sock"), "it gives a struct tcp_sock");
        };
        T::define(&mut self.source.borrow_mut().definitions);
        let value = format!("bpf_skc_to_tcp_sock({})", sk.code());
        let tcp = self.declare::<Ptr<T>>("tcp", &value);
        let name = tcp.code().to_owned();
        self.source.borrow_mut().open(&format!("if ({name})"));
        then(&mut self.within(), Val::new(name));
        self.source.borrow_mut().close();
    }
}

fn if_head(condition: &Val<'_, bool>) -> String {
    let code = condition.code();
    match code.starts_with('(') && code.ends_with(')') {
        true => format!("if {code}"),
        false => format!("if ({code})"),
    }
}

const fn is(name: &str, wanted: &str) -> bool {
    let (a, b) = (name.as_bytes(), wanted.as_bytes());
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}
