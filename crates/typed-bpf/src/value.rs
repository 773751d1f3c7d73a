//! What a program has in hand: numbers and pointers, each an expression of C with its type.

use std::marker::PhantomData;

use crate::Marker;
use crate::kernel::KernelType;
use crate::kernel::Ptr;
use crate::layout::Scalar;

/// An expression of type `T`, known in the block `'s` and those within it.
#[derive(Debug)]
pub struct Val<'s, T> {
    code: String,
    types: Marker<'s, T>,
}

impl<T> Clone for Val<'_, T> {
    fn clone(&self) -> Self {
        Self::new(self.code.clone())
    }
}

impl<T> Val<'_, T> {
    pub(crate) fn new(code: String) -> Self {
        Self {
            code,
            types: PhantomData,
        }
    }

    pub(crate) fn code(&self) -> &str {
        &self.code
    }
}

/// A value or a literal of the same type.
pub trait Operand<T> {
    /// Its C text.
    #[doc(hidden)]
    fn text(&self) -> String;
}

impl<T> Operand<T> for Val<'_, T> {
    fn text(&self) -> String {
        self.code.clone()
    }
}

impl<T> Operand<T> for &Val<'_, T> {
    fn text(&self) -> String {
        self.code.clone()
    }
}

impl<T: Scalar> Operand<T> for T {
    fn text(&self) -> String {
        format!("{self}{}", T::SUFFIX)
    }
}

macro_rules! operations {
    ($($(#[$meta:meta])* $name:ident, $operator:literal, $Result:ty;)*) => {
        impl<'s, T: Scalar> Val<'s, T> {$(
            $(#[$meta])*
            pub fn $name(&self, other: impl Operand<T>) -> Val<'s, $Result> {
                Val::new(format!("({} {} {})", self.code, $operator, other.text()))
            }
        )*}
    };
}

operations! {
    /// Equal.
    is, "==", bool;
    /// Not equal.
    is_not, "!=", bool;
    /// Less.
    is_below, "<", bool;
    /// More.
    is_above, ">", bool;
    /// The sum, without the carry.
    plus, "+", T;
    /// The difference.
    minus, "-", T;
    /// The product.
    times, "*", T;
    /// Bits that both have.
    and_bits, "&", T;
}

impl<'s, T: Scalar> Val<'s, T> {
    /// With the other sign, as C does it: of unsigned numbers the two's complement.
    pub fn negative(&self) -> Val<'s, T> {
        Val::new(format!("(-{})", self.code))
    }

    /// Shifted to the right; beyond its width it is the compiler's error.
    pub fn shifted_right(&self, bits: u32) -> Val<'s, T> {
        Val::new(format!("({} >> {bits})", self.code))
    }

    /// As another kind of number, as C converts it.
    pub fn to<U: Scalar>(&self) -> Val<'s, U> {
        Val::new(format!("({}){}", U::C, self.code))
    }

    /// A number that is the address of a struct of the kernel.
    pub fn as_pointer<U: KernelType>(&self) -> Val<'s, Ptr<U>> {
        Val::new(format!("((struct {} *){})", U::NAME, self.code))
    }
}

impl<'s> Val<'s, bool> {
    /// Both.
    pub fn and(&self, other: &Val<'_, bool>) -> Val<'s, bool> {
        Val::new(format!("({} && {})", self.code, other.code))
    }

    /// Either.
    pub fn or(&self, other: &Val<'_, bool>) -> Val<'s, bool> {
        Val::new(format!("({} || {})", self.code, other.code))
    }

    /// Not.
    pub fn not(&self) -> Val<'s, bool> {
        Val::new(format!("!{}", self.code))
    }
}

impl<'s, T: KernelType> Val<'s, Ptr<T>> {
    /// Its address, to tell structs apart by.
    pub fn address(&self) -> Val<'s, u64> {
        Val::new(format!("(__u64){}", self.code))
    }

    /// Whether it points to nothing.
    pub fn is_null(&self) -> Val<'s, bool> {
        Val::new(format!("!{}", self.code))
    }
}
