//! A map that nearly always has a few entries: a list until then, hashed beyond.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Up to here a scan of a list beats hashing, and an empty or small list costs little memory.
const FEW: usize = 8;

/// Keys are numbers that this runtime counted out itself, so nobody can choose them to collide.
#[derive(Debug)]
pub(crate) enum Few<V> {
    List(Vec<(u64, V)>),
    Map(HashMap<u64, V, BuildHasherDefault<Spread>>),
}

impl<V> Default for Few<V> {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl<V> Few<V> {
    /// Puts `value` in, and gives back what was there.
    pub(crate) fn insert(&mut self, key: u64, value: V) -> Option<V> {
        match self {
            Self::List(list) => {
                if let Some((_, old)) = list.iter_mut().find(|(known, _)| *known == key) {
                    return Some(std::mem::replace(old, value));
                }
                if list.len() < FEW {
                    list.push((key, value));
                } else {
                    let mut map: HashMap<_, _, _> = list.drain(..).collect();
                    map.insert(key, value);
                    *self = Self::Map(map);
                }
                None
            }
            Self::Map(map) => map.insert(key, value),
        }
    }

    /// Takes it out; a map that has become small is a list again.
    pub(crate) fn remove(&mut self, key: u64) -> Option<V> {
        match self {
            Self::List(list) => {
                let at = list.iter().position(|(known, _)| *known == key)?;
                Some(list.swap_remove(at).1)
            }
            Self::Map(map) => {
                let value = map.remove(&key);
                if map.len() <= FEW / 2 {
                    *self = Self::List(map.drain().collect());
                }
                value
            }
        }
    }

    pub(crate) fn get(&self, key: u64) -> Option<&V> {
        match self {
            Self::List(list) => {
                list.iter().find(|(known, _)| *known == key).map(|(_, value)| value)
            }
            Self::Map(map) => map.get(&key),
        }
    }

    pub(crate) fn get_mut(&mut self, key: u64) -> Option<&mut V> {
        match self {
            Self::List(list) => {
                list.iter_mut().find(|(known, _)| *known == key).map(|(_, value)| value)
            }
            Self::Map(map) => map.get_mut(&key),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::List(list) => list.len(),
            Self::Map(map) => map.len(),
        }
    }

    pub(crate) fn iter(&self) -> Box<dyn Iterator<Item = (u64, &V)> + '_> {
        match self {
            Self::List(list) => Box::new(list.iter().map(|(key, value)| (*key, value))),
            Self::Map(map) => Box::new(map.iter().map(|(key, value)| (*key, value))),
        }
    }

    /// Everything, leaving nothing; a list in the order put in.
    pub(crate) fn take(&mut self) -> Vec<(u64, V)> {
        match std::mem::take(self) {
            Self::List(list) => list,
            Self::Map(map) => map.into_iter().collect(),
        }
    }
}

/// Spreads counted numbers over the table: one multiplication, high bits folded down.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // 2^64 over the golden ratio, odd: Knuth's multiplicative hash.
        let mixed = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_same_map_below_and_above_the_threshold() {
        let mut few = Few::default();
        for key in 0..100 {
            assert_eq!(few.insert(key, key * 2), None);
        }
        assert!(matches!(few, Few::Map(_)));
        assert_eq!(few.insert(5, 1), Some(10));
        for key in 0..97 {
            assert!(few.remove(key).is_some());
            assert_eq!(few.remove(key), None);
        }
        assert!(matches!(few, Few::List(_)));
        assert_eq!(few.len(), 3);
        assert_eq!(few.get(99), Some(&198));
        *few.get_mut(98).unwrap() = 0;
        assert_eq!(few.iter().map(|(_, value)| *value).sum::<u64>(), 198 + 194);
        assert_eq!(few.take().len(), 3);
        assert_eq!(few.len(), 0);
    }
}
