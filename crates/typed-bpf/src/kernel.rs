//! The kernel's own structs: only the fields that a program reads, which libbpf finds in
//! the running kernel (CO-RE), whatever its version lays out where.

use std::fmt::Write as _;
use std::marker::PhantomData;

use crate::layout::CType;
use crate::layout::Definitions;
use crate::layout::Field;

/// A struct of the kernel, defined by [`kernel_struct!`](crate::kernel_struct).
pub trait KernelType: 'static {
    /// Its name in the kernel's sources, without `struct`.
    const NAME: &'static str;
    /// Its C declaration.
    fn define(into: &mut Definitions);
}

/// A pointer to a struct of the kernel.
#[derive(Debug)]
pub struct Ptr<T>(PhantomData<fn() -> T>);

impl<T: KernelType> CType for Ptr<T> {
    fn declare(name: &str) -> String {
        format!("struct {} *{name}", T::NAME)
    }
    // What it points to is defined where it is read: structs may point at each other.
}

/// The way from one struct to a field, through structs within it and pointers.
#[derive(Debug)]
pub struct Path<S, T> {
    /// Each with what joins it to the one before.
    steps: Vec<(bool, &'static str)>,
    defines: Vec<fn(&mut Definitions)>,
    types: PhantomData<fn() -> (S, T)>,
}

impl<S: KernelType, T: 'static> From<Field<S, T>> for Path<S, T> {
    fn from(field: Field<S, T>) -> Self {
        Self {
            steps: vec![(true, field.name())],
            defines: vec![S::define],
            types: PhantomData,
        }
    }
}

impl<S, T> Path<S, T> {
    fn on<U>(
        mut self,
        through_pointer: bool,
        name: &'static str,
        define: fn(&mut Definitions),
    ) -> Path<S, U> {
        self.steps.push((through_pointer, name));
        self.defines.push(define);
        Path {
            steps: self.steps,
            defines: self.defines,
            types: PhantomData,
        }
    }

    /// The last name on it.
    pub(crate) fn name(&self) -> &'static str {
        self.steps.last().map_or("", |(_, name)| name)
    }

    pub(crate) fn define(&self, into: &mut Definitions) {
        self.defines.iter().for_each(|define| define(into));
    }

    /// `->a.b->c`.
    pub(crate) fn arrows(&self) -> String {
        self.joined("->")
    }

    /// `, a.b, c`, for `BPF_CORE_READ()`.
    pub(crate) fn arguments(&self) -> String {
        self.joined(", ")
    }

    fn joined(&self, pointer: &str) -> String {
        let mut text = String::new();
        for (through_pointer, name) in &self.steps {
            let join = if *through_pointer { pointer } else { "." };
            let _ = write!(text, "{join}{name}");
        }
        text
    }
}

impl<S: KernelType, T: KernelType> Path<S, Ptr<T>> {
    /// On to a field of what this points to.
    pub fn to<U>(self, field: Field<T, U>) -> Path<S, U> {
        self.on(true, field.name(), T::define)
    }
}

impl<S: KernelType, T: KernelType> Field<S, Ptr<T>> {
    /// On to a field of what this points to.
    pub fn to<U>(self, field: Field<T, U>) -> Path<S, U> {
        Path::from(self).to(field)
    }
}

impl<S: KernelType, T: KernelType> Path<S, T> {
    /// On to a field of the struct that lies within.
    pub fn within<U>(self, field: Field<T, U>) -> Path<S, U> {
        self.on(false, field.name(), T::define)
    }
}

impl<S: KernelType, T: KernelType> Field<S, T> {
    /// On to a field of the struct that lies within.
    pub fn within<U>(self, field: Field<T, U>) -> Path<S, U> {
        Path::from(self).within(field)
    }
}

/// Defines what programs read of a struct of the kernel. A struct within it has its own
/// definition. More fields than one kernel has may be listed, such as both names of one
/// that was renamed: [`Block::has_field`](crate::Block::has_field) tells.
///
/// ```
/// typed_bpf::kernel_struct! {
///     /// include/linux/sched.h
///     pub struct TaskStruct("task_struct") {
///         pid: i32,
///         group_leader: typed_bpf::Ptr<TaskStruct>,
///     }
/// }
/// ```
#[macro_export]
macro_rules! kernel_struct {
    ($(#[$meta:meta])* $vis:vis struct $Name:ident($c:literal) {
        $($field:ident : $Type:ty),+ $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Debug)]
        $vis struct $Name;

        #[allow(non_upper_case_globals, missing_docs, dead_code, reason = "each is a field")]
        impl $Name {
            $($vis const $field: $crate::Field<$Name, $Type> =
                $crate::Field::new(stringify!($field));)+
        }

        impl $crate::CType for $Name {
            fn declare(name: &str) -> String {
                format!("struct {} {name}", $c)
            }
            fn define(into: &mut $crate::layout::Definitions) {
                <Self as $crate::KernelType>::define(into);
            }
        }

        impl $crate::KernelType for $Name {
            const NAME: &'static str = $c;
            fn define(into: &mut $crate::layout::Definitions) {
                into.add($c, |into| {
                    $(<$Type as $crate::CType>::define(into);)+
                    let fields = [$(<$Type as $crate::CType>::declare(stringify!($field))),+];
                    $crate::kernel::struct_text($c, &fields)
                });
            }
        }
    };
}

/// The C text of a struct that libbpf finds in the running kernel.
#[doc(hidden)]
pub fn struct_text(name: &str, fields: &[String]) -> String {
    let mut text = format!("struct {name} {{\n");
    for declaration in fields {
        let _ = writeln!(text, "\t{declaration};");
    }
    text.push_str("} __attribute__((preserve_access_index));\n");
    text
}
