//! Types that C and Rust lay out alike: the keys and values of maps, and records.

use std::fmt::Write as _;
use std::marker::PhantomData;

/// C text of types, each once and after those that it is made of.
#[derive(Debug, Default)]
pub struct Definitions {
    known: Vec<String>,
    text: String,
}

impl Definitions {
    /// Puts in what `define` writes, unless `name` is there already.
    pub fn add(&mut self, name: &str, define: impl FnOnce(&mut Self) -> String) {
        if self.known.iter().any(|known| known == name) {
            return;
        }
        self.known.push(name.to_owned());
        let text = define(self);
        self.text.push_str(&text);
        self.text.push('\n');
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// What can be declared in C.
pub trait CType: 'static {
    /// The declaration of something with this name: `__u64 faults`, `__u64 slots[64]`.
    fn declare(name: &str) -> String;
    /// The definitions that such a declaration needs.
    fn define(_into: &mut Definitions) {}
}

/// A type that crosses between the kernel's side and the reader's as it is.
///
/// # Safety
///
/// It has the layout that its C declaration has, no padding, and every pattern of bits is
/// a value of it. [`bpf_struct!`](crate::bpf_struct) sees to that.
pub unsafe trait BpfType: CType + Copy {
    /// All bits 0: what an entry starts as.
    const ZERO: Self;
    /// The entry of another CPU is added to this one.
    fn add(&mut self, other: &Self);
}

/// A number.
pub trait Scalar: BpfType + std::fmt::Display {
    /// Its name in C.
    const C: &'static str;
    /// What follows a literal in C, so that it has this type.
    const SUFFIX: &'static str;
}

macro_rules! scalars {
    ($($rust:ty, $c:literal, $suffix:literal;)*) => {$(
        impl CType for $rust {
            fn declare(name: &str) -> String {
                format!("{} {name}", $c)
            }
        }
        // SAFETY: an integer of the same width.
        unsafe impl BpfType for $rust {
            const ZERO: Self = 0;
            fn add(&mut self, other: &Self) {
                *self = self.wrapping_add(*other);
            }
        }
        impl Scalar for $rust {
            const C: &'static str = $c;
            const SUFFIX: &'static str = $suffix;
        }
    )*};
}

scalars! {
    u8, "__u8", "";
    u16, "__u16", "";
    u32, "__u32", "U";
    u64, "__u64", "ULL";
    i32, "__s32", "";
    i64, "__s64", "LL";
}

impl<T: CType, const N: usize> CType for [T; N] {
    fn declare(name: &str) -> String {
        T::declare(&format!("{name}[{N}]"))
    }
    fn define(into: &mut Definitions) {
        T::define(into);
    }
}

// SAFETY: elements without padding have none between them.
unsafe impl<T: BpfType, const N: usize> BpfType for [T; N] {
    const ZERO: Self = [T::ZERO; N];
    fn add(&mut self, other: &Self) {
        self.iter_mut()
            .zip(other)
            .for_each(|(it, more)| it.add(more));
    }
}

/// A task's name, as `bpf_get_current_comm()` writes it (TASK_COMM_LEN octets, the last
/// one 0).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Comm(pub [u8; 16]);

impl Comm {
    /// The octets of the name.
    pub fn as_bytes(&self) -> &[u8] {
        let end = self.0.iter().position(|octet| *octet == 0);
        &self.0[..end.unwrap_or(self.0.len())]
    }
}

impl CType for Comm {
    fn declare(name: &str) -> String {
        format!("char {name}[16]")
    }
}

// SAFETY: sixteen octets.
unsafe impl BpfType for Comm {
    const ZERO: Self = Self([0; 16]);
    /// A name is no number: the first one that there is stays.
    fn add(&mut self, other: &Self) {
        if self.as_bytes().is_empty() {
            *self = *other;
        }
    }
}

/// A field of `S` that has type `T`.
#[derive(Debug)]
pub struct Field<S, T> {
    name: &'static str,
    types: PhantomData<fn() -> (S, T)>,
}

impl<S, T> Clone for Field<S, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S, T> Copy for Field<S, T> {}

impl<S, T> Field<S, T> {
    /// Made by the macros that define structs, which see to it that it is true.
    #[doc(hidden)]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            types: PhantomData,
        }
    }

    /// Its name, in C and in Rust.
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

/// `SomeName` as C writes it: `some_name`.
pub fn snake(name: &str) -> String {
    let mut snake = String::new();
    for (at, letter) in name.chars().enumerate() {
        if letter.is_uppercase() && at > 0 {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

/// The C text of a struct, with its size asserted.
#[doc(hidden)]
pub fn struct_text(name: &str, fields: &[(String, usize)], size: usize) -> String {
    let mut text = format!("struct {name} {{\n");
    for (declaration, _) in fields {
        let _ = writeln!(text, "\t{declaration};");
    }
    let _ = writeln!(
        text,
        "}};\n\n_Static_assert(sizeof(struct {name}) == {size}, \"{name}\");"
    );
    text
}

/// Defines a struct for both sides: `repr(C)`, with its C declaration, and a constant for
/// each field that names it in a program. Padding has to be written out; a struct that C
/// would pad does not compile.
///
/// ```
/// typed_bpf::bpf_struct! {
///     /// Whose it is.
///     pub struct Owner {
///         /// Control group.
///         pub cgroup_id: u64,
///         /// Process.
///         pub tgid: u32,
///         /// Always 0.
///         pub pad: u32,
///     }
/// }
/// assert_eq!(size_of::<Owner>(), 16);
/// ```
///
/// ```compile_fail
/// typed_bpf::bpf_struct! {
///     /// C would put four octets behind the second field.
///     pub struct Owner {
///         /// Control group.
///         pub cgroup_id: u64,
///         /// Process.
///         pub tgid: u32,
///     }
/// }
/// ```
#[macro_export]
macro_rules! bpf_struct {
    ($(#[$meta:meta])* $vis:vis struct $Name:ident {
        $($(#[$field_meta:meta])* $field_vis:vis $field:ident : $Type:ty),+ $(,)?
    }) => {
        $(#[$meta])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        $vis struct $Name {
            $($(#[$field_meta])* $field_vis $field: $Type,)+
        }

        const _: () = assert!(
            ::core::mem::size_of::<$Name>() == 0 $(+ ::core::mem::size_of::<$Type>())+,
            "C would pad this struct: write the padding out as a field"
        );

        #[allow(non_upper_case_globals, missing_docs, dead_code, reason = "each is a field")]
        impl $Name {
            $($field_vis const $field: $crate::Field<$Name, $Type> =
                $crate::Field::new(stringify!($field));)+
        }

        impl $crate::CType for $Name {
            fn declare(name: &str) -> String {
                format!("struct {} {name}", $crate::layout::snake(stringify!($Name)))
            }
            fn define(into: &mut $crate::layout::Definitions) {
                let name = $crate::layout::snake(stringify!($Name));
                into.add(&name, |into| {
                    $(<$Type as $crate::CType>::define(into);)+
                    let fields = [$((
                        <$Type as $crate::CType>::declare(stringify!($field)),
                        ::core::mem::offset_of!($Name, $field),
                    )),+];
                    $crate::layout::struct_text(&name, &fields, ::core::mem::size_of::<$Name>())
                });
            }
        }

        // SAFETY: `repr(C)`, made of such types, and the assertion above: no padding.
        unsafe impl $crate::BpfType for $Name {
            const ZERO: Self = Self { $($field: <$Type as $crate::BpfType>::ZERO),+ };
            fn add(&mut self, other: &Self) {
                $($crate::BpfType::add(&mut self.$field, &other.$field);)+
            }
        }
    };
}
