//! Maps: what programs do with them. How they are read is in `read.rs`.

use std::marker::PhantomData;
use std::rc::Rc;

use crate::Marker;
use crate::block::Block;
use crate::entry::Entry;
use crate::hook::Kind;
use crate::layout::BpfType;
use crate::layout::Scalar;
use crate::layout::snake;
use crate::local::Local;
use crate::source::Source;
use crate::source::type_name;
use crate::value::Val;

/// A type of map.
pub trait MapKind: 'static {
    /// The kernel's name for it, behind `BPF_MAP_TYPE_`.
    const TYPE: &'static str;
    /// Whether each CPU has entries of its own.
    const PER_CPU: bool;
}

/// One whose entries come and go.
pub trait Keyed: MapKind {}

/// One whose entries are all there, by number.
pub trait Indexed: MapKind {}

macro_rules! map_kinds {
    ($($Kind:ident, $Alias:ident, $of:ident, $type:literal, $per_cpu:literal, $doc:literal;)*) => {$(
        #[doc = $doc]
        #[derive(Debug)]
        pub struct $Kind;

        impl MapKind for $Kind {
            const TYPE: &'static str = $type;
            const PER_CPU: bool = $per_cpu;
        }

        impl $of for $Kind {}
    )*};
}

map_kinds! {
    HashKind, Hash, Keyed, "HASH", false, "See [`Hash`].";
    LruHashKind, LruHash, Keyed, "LRU_HASH", false, "See [`LruHash`].";
    PerCpuHashKind, PerCpuHash, Keyed, "PERCPU_HASH", true, "See [`PerCpuHash`].";
    ArrayKind, Array, Indexed, "ARRAY", false, "See [`Array`].";
    PerCpuArrayKind, PerCpuArray, Indexed, "PERCPU_ARRAY", true, "See [`PerCpuArray`].";
}

/// A map with keys `K` and values `V`.
#[derive(Debug)]
pub struct Map<M, K, V> {
    name: &'static str,
    pub(crate) max_entries: u32,
    types: Marker<'static, (M, K, V)>,
}

/// A hash map.
pub type Hash<K, V> = Map<HashKind, K, V>;
/// A hash map that forgets what was used longest ago, without a word: for what may be
/// forgotten.
pub type LruHash<K, V> = Map<LruHashKind, K, V>;
/// A hash map with a value for each CPU; its reader gets their sum.
pub type PerCpuHash<K, V> = Map<PerCpuHashKind, K, V>;
/// An array.
pub type Array<V> = Map<ArrayKind, u32, V>;
/// An array with a value for each CPU; its reader gets their sum.
pub type PerCpuArray<V> = Map<PerCpuArrayKind, u32, V>;

impl<M: MapKind, K: BpfType, V: BpfType> Map<M, K, V> {
    /// With room for so many entries.
    pub const fn new(name: &'static str, max_entries: u32) -> Self {
        Self {
            name,
            max_entries,
            types: PhantomData,
        }
    }

    /// What it is called. C and `bpftool` call it `NAME_map`, as no variable is called.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    fn put_into(&self, source: &mut Source) {
        K::define(&mut source.definitions);
        V::define(&mut source.definitions);
        source.add_map(self.name, || {
            format!(
                "struct {{\n\t__uint(type, BPF_MAP_TYPE_{});\n\t__uint(max_entries, {});\n\
                 \t__type(key, {});\n\t__type(value, {});\n}} {}_map SEC(\".maps\");\n",
                M::TYPE,
                self.max_entries,
                type_name::<K>(),
                type_name::<V>(),
                self.name
            )
        });
    }

    /// What is done with the entry of this key, if there is one. Nowhere else can it be
    /// used.
    pub fn with<P: Kind>(
        &self,
        b: &mut Block<'_, P>,
        key: impl Key<K>,
        then: impl for<'i> FnOnce(&mut Block<'i, P>, Entry<'i, V>),
    ) {
        self.put_into(&mut b.source.borrow_mut());
        let key = key.address(&mut b.source.borrow_mut());
        let entry = self.look_up(b, &key);
        b.source.borrow_mut().open(&format!("if ({entry})"));
        then(&mut b.within(), Entry::new(entry, Rc::clone(&b.source)));
        b.source.borrow_mut().close();
    }

    /// Declares a pointer to the entry; returns its name.
    fn look_up<P: Kind>(&self, b: &mut Block<'_, P>, key: &str) -> String {
        let mut source = b.source.borrow_mut();
        let entry = source.name("entry");
        source.take_stack(8);
        let pointer = V::declare(&format!("*{entry}"));
        source.line(&format!(
            "{pointer} = bpf_map_lookup_elem(&{}_map, {key});",
            self.name
        ));
        entry
    }
}

impl<M: Keyed, K: BpfType, V: BpfType> Map<M, K, V> {
    /// What is done with the entry of this key; a new one is all 0. Where there is no
    /// room, that is counted ([`Module::losses`](crate::Module::losses)).
    pub fn entry<P: Kind>(
        &self,
        b: &mut Block<'_, P>,
        key: impl Key<K>,
        then: impl for<'i> FnOnce(&mut Block<'i, P>, Entry<'i, V>),
    ) {
        self.entry_filled(b, key, None::<fn(&mut Block<'_, P>, Entry<'_, V>)>, then);
    }

    /// The same; `fill` is done first with one that is new.
    pub fn entry_or<P: Kind>(
        &self,
        b: &mut Block<'_, P>,
        key: impl Key<K>,
        fill: impl for<'i> FnOnce(&mut Block<'i, P>, Entry<'i, V>),
        then: impl for<'i> FnOnce(&mut Block<'i, P>, Entry<'i, V>),
    ) {
        self.entry_filled(b, key, Some(fill), then);
    }

    fn entry_filled<P: Kind>(
        &self,
        b: &mut Block<'_, P>,
        key: impl Key<K>,
        fill: Option<impl for<'i> FnOnce(&mut Block<'i, P>, Entry<'i, V>)>,
        then: impl for<'i> FnOnce(&mut Block<'i, P>, Entry<'i, V>),
    ) {
        self.put_into(&mut b.source.borrow_mut());
        let key = key.address(&mut b.source.borrow_mut());
        let entry = self.look_up(b, &key);
        let mut source = b.source.borrow_mut();
        let blank = blank::<V>(&mut source);
        let loss = source.loss_of(self.name);
        let map = self.name;
        source.open(&format!("if (!{entry})"));
        source.line(&format!(
            "bpf_map_update_elem(&{map}_map, {key}, &{blank}, BPF_NOEXIST);\n\
             {entry} = bpf_map_lookup_elem(&{map}_map, {key});"
        ));
        if let Some(fill) = fill {
            source.open(&format!("if ({entry})"));
            drop(source);
            fill(
                &mut b.within(),
                Entry::new(entry.clone(), Rc::clone(&b.source)),
            );
            source = b.source.borrow_mut();
            source.close();
        }
        source.close();
        source.open(&format!("if ({entry})"));
        drop(source);
        then(&mut b.within(), Entry::new(entry, Rc::clone(&b.source)));
        let mut source = b.source.borrow_mut();
        source.turn("else");
        source.line(&format!("count_loss({loss});"));
        source.close();
    }

    /// Puts a value in, or in the place of the one that is there. Where there is no room,
    /// that is counted.
    pub fn put<P: Kind>(&self, b: &mut Block<'_, P>, key: impl Key<K>, value: impl Key<V>) {
        let mut source = b.source.borrow_mut();
        self.put_into(&mut source);
        let key = key.address(&mut source);
        let value = value.address(&mut source);
        let loss = source.loss_of(self.name);
        source.line(&format!(
            "if (bpf_map_update_elem(&{}_map, {key}, {value}, BPF_ANY))\n\tcount_loss({loss});",
            self.name
        ));
    }

    /// Takes the entry out, if there is one.
    pub fn delete<P: Kind>(&self, b: &mut Block<'_, P>, key: impl Key<K>) {
        let mut source = b.source.borrow_mut();
        self.put_into(&mut source);
        let key = key.address(&mut source);
        source.line(&format!("bpf_map_delete_elem(&{}_map, {key});", self.name));
    }
}

/// What an entry starts as, once for each type.
fn blank<V: BpfType>(source: &mut Source) -> String {
    let of = type_name::<V>();
    let name = format!(
        "blank_{}",
        snake(of.trim_start_matches("struct ").trim_start_matches('_'))
    );
    let zero = if of.starts_with("struct") { "{}" } else { "0" };
    let text = format!("static const {} = {zero};\n", V::declare(&name));
    source.definitions.add(&name, |_| text);
    name
}

/// What stands for a `K` whose address is handed to the kernel.
pub trait Key<K> {
    /// Its address in C.
    #[doc(hidden)]
    fn address(self, source: &mut Source) -> String;
}

impl<K: BpfType> Key<K> for &Local<'_, K> {
    fn address(self, _: &mut Source) -> String {
        format!("&{}", self.name())
    }
}

impl<K: Scalar> Key<K> for &Val<'_, K> {
    fn address(self, source: &mut Source) -> String {
        let code = self.code().to_owned();
        // A variable has one already.
        if code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return format!("&{code}");
        }
        format!("&{}", source.declare::<K>("key", &code))
    }
}

impl<K: Scalar> Key<K> for K {
    fn address(self, source: &mut Source) -> String {
        let value = format!("{self}{}", K::SUFFIX);
        format!("&{}", source.declare::<K>("key", &value))
    }
}

/// A ring buffer of records `T`.
#[derive(Debug)]
pub struct RingBuffer<T> {
    pub(crate) name: &'static str,
    octets: u32,
    types: PhantomData<fn() -> T>,
}

impl<T: BpfType> RingBuffer<T> {
    /// With so many octets: a power of two, and whole pages.
    pub const fn new(name: &'static str, octets: u32) -> Self {
        assert!(
            octets.is_power_of_two() && octets.is_multiple_of(4096),
            "a ring buffer has a power of two of octets, and whole pages"
        );
        Self {
            name,
            octets,
            types: PhantomData,
        }
    }

    /// Hands a record to the reader, all 0 but for what `fill` sets. Where there is no
    /// room, that is counted.
    pub fn emit<P: Kind>(
        &self,
        b: &mut Block<'_, P>,
        fill: impl for<'i> FnOnce(&mut Block<'i, P>, Entry<'i, T>),
    ) {
        let mut source = b.source.borrow_mut();
        T::define(&mut source.definitions);
        source.add_map(self.name, || {
            format!(
                "struct {{\n\t__uint(type, BPF_MAP_TYPE_RINGBUF);\n\t__uint(max_entries, {});\n}} \
                 {}_map SEC(\".maps\");\n",
                self.octets, self.name
            )
        });
        let loss = source.loss_of(self.name);
        let record = source.name("record");
        source.take_stack(8);
        let pointer = T::declare(&format!("*{record}"));
        source.line(&format!(
            "{pointer} = bpf_ringbuf_reserve(&{}_map, sizeof(*{record}), 0);",
            self.name
        ));
        source.open(&format!("if ({record})"));
        source.line(&format!(
            "__builtin_memset({record}, 0, sizeof(*{record}));"
        ));
        drop(source);
        fill(
            &mut b.within(),
            Entry::new(record.clone(), Rc::clone(&b.source)),
        );
        let mut source = b.source.borrow_mut();
        source.line(&format!("bpf_ringbuf_submit({record}, 0);"));
        source.turn("else");
        source.line(&format!("count_loss({loss});"));
        source.close();
    }
}
