//! Reading maps, with the types that they were defined with.

use std::collections::HashMap;
use std::hash::Hash as Hashable;

use libbpf_rs::ErrorKind;
use libbpf_rs::MapCore as _;
use libbpf_rs::MapFlags;
use libbpf_rs::RingBufferBuilder;

use crate::layout::BpfType;
use crate::load::Loaded;
use crate::map::Indexed;
use crate::map::Keyed;
use crate::map::Map;
use crate::map::MapKind;
use crate::map::RingBuffer;

/// The octets of a value as its type.
fn from_octets<T: BpfType>(octets: &[u8]) -> Option<T> {
    // SAFETY: it is as long, and every pattern of bits is a `T` (`BpfType`).
    (octets.len() == size_of::<T>())
        .then(|| unsafe { octets.as_ptr().cast::<T>().read_unaligned() })
}

/// A value as its octets.
fn octets_of<T: BpfType>(value: &T) -> &[u8] {
    // SAFETY: a `BpfType` has no padding, so all of it is set.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(value).cast::<u8>(), size_of::<T>()) }
}

fn malformed(map: &str) -> libbpf_rs::Error {
    let text = format!("an entry of {map} is not as long as its type");
    std::io::Error::new(std::io::ErrorKind::InvalidData, text).into()
}

impl<M: MapKind, K: BpfType, V: BpfType> Map<M, K, V> {
    fn value(&self, map: &libbpf_rs::Map<'_>, key: &[u8]) -> libbpf_rs::Result<Option<V>> {
        let name = self.name();
        if !M::PER_CPU {
            let found = map.lookup(key, MapFlags::ANY)?;
            return found
                .map(|it| from_octets(&it).ok_or_else(|| malformed(name)))
                .transpose();
        }
        let Some(of_cpus) = map.lookup_percpu(key, MapFlags::ANY)? else {
            return Ok(None);
        };
        let mut sum = V::ZERO;
        for octets in of_cpus {
            // The kernel rounds them up to eight.
            let octets = octets
                .get(..size_of::<V>())
                .ok_or_else(|| malformed(name))?;
            sum.add(&from_octets(octets).ok_or_else(|| malformed(name))?);
        }
        Ok(Some(sum))
    }
}

impl<M: Keyed, K: BpfType + Eq + Hashable, V: BpfType> Map<M, K, V> {
    /// All entries. Those that come or go meanwhile may be in it or not.
    ///
    /// # Errors
    ///
    /// If the kernel does not give them.
    pub fn read(&self, of: &Loaded) -> libbpf_rs::Result<HashMap<K, V>> {
        let mut all = HashMap::new();
        let Some(map) = of.map(self.name())? else {
            return Ok(all);
        };
        // A key that is taken out meanwhile makes the walk begin anew: not for ever.
        let most = self.max_entries as usize * 2;
        for octets in map.keys().take(most) {
            let key = from_octets(&octets).ok_or_else(|| malformed(self.name()))?;
            if let Some(value) = self.value(&map, &octets)? {
                all.insert(key, value);
            }
        }
        Ok(all)
    }

    /// Takes an entry out; whether it was there. What is counted in it between the moment
    /// when it was read and this one is lost: this is for what has ended.
    ///
    /// # Errors
    ///
    /// If the kernel refuses.
    pub fn remove(&self, of: &Loaded, key: &K) -> libbpf_rs::Result<bool> {
        let Some(map) = of.map(self.name())? else {
            return Ok(false);
        };
        match map.delete(octets_of(key)) {
            Ok(()) => Ok(true),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// All entries, which are taken out. What is counted in an entry between the moment
    /// when it is read and the one when it is taken out is lost: this is for what has
    /// ended.
    ///
    /// # Errors
    ///
    /// If the kernel does not give them.
    pub fn drain(&self, of: &Loaded) -> libbpf_rs::Result<HashMap<K, V>> {
        let all = self.read(of)?;
        for key in all.keys() {
            self.remove(of, key)?;
        }
        Ok(all)
    }
}

impl<M: Indexed, V: BpfType> Map<M, u32, V> {
    /// All entries by their number; of a per-CPU array the sums.
    ///
    /// # Errors
    ///
    /// If the kernel does not give them.
    pub fn values(&self, of: &Loaded) -> libbpf_rs::Result<Vec<V>> {
        let Some(map) = of.map(self.name())? else {
            return Ok(Vec::new());
        };
        let entry = |at: u32| Ok(self.value(&map, octets_of(&at))?.unwrap_or(V::ZERO));
        (0..self.max_entries).map(entry).collect()
    }
}

impl<T: BpfType> RingBuffer<T> {
    /// Takes the records that are there; those of another length are counted in what is
    /// returned.
    ///
    /// # Errors
    ///
    /// If the ring buffer cannot be mapped.
    pub fn take(&self, of: &Loaded, mut each: impl FnMut(T)) -> libbpf_rs::Result<u64> {
        let Some(map) = of.map(self.name)? else {
            return Ok(0);
        };
        let mut malformed = 0;
        let mut builder = RingBufferBuilder::new();
        builder.add(&map, |octets: &[u8]| {
            match from_octets(octets) {
                Some(record) => each(record),
                None => malformed += 1,
            }
            0
        })?;
        builder.build()?.consume()?;
        Ok(malformed)
    }
}
