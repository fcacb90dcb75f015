//! The process table: from a pid's numbers to its process.
//!
//! Slots lie in blocks that double in size and never move, so finding one takes no lock but the slot's own. A slot
//! that is free again serves another process with the next serial, so an old pid finds nobody.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use crate::cell::Cell;
use crate::ids::Number;
use crate::sync::{Mutex, RwLock};

/// The first block's size, as a power of two; the n-th has twice the slots of the one before.
const FIRST_BLOCK_BITS: u32 = 6;

/// Blocks enough for 2^28 processes: OTP's own limit (`+P`) is 2^27.
const BLOCKS: usize = 22;

/// Freed slots rest until this many others are free, so that one slot's 2^32 serials are not used up by a program
/// that starts and ends one process after the other.
const RESTING: usize = 1024;

#[derive(Debug)]
pub(crate) struct Table {
    blocks: [OnceLock<Box<[RwLock<Slot>]>>; BLOCKS],
    free: Mutex<Free>,
}

#[derive(Debug, Default)]
struct Slot {
    serial: u32,
    cell: Option<Arc<Cell>>,
}

#[derive(Debug, Default)]
struct Free {
    slots: VecDeque<u32>,
    /// The first slot never used.
    next: u32,
    alive: usize,
    started: u64,
}

impl Default for Table {
    fn default() -> Self {
        Self { blocks: [const { OnceLock::new() }; BLOCKS], free: Mutex::default() }
    }
}

impl Table {
    /// Puts the process that `make` makes of its number in; `None` if there is no number left.
    pub(crate) fn insert(&self, make: impl FnOnce(Number) -> Arc<Cell>) -> Option<Arc<Cell>> {
        let index = self.allot()?;
        let (block, at) = place(index);
        let block = self.blocks.get(block)?.get_or_init(|| empty_block(block));
        let mut slot = block.get(at)?.write();
        // Ids begin at 1, so that no pid is all zeros.
        let cell = make(Number::new(index + 1, slot.serial));
        slot.cell = Some(Arc::clone(&cell));
        Some(cell)
    }

    pub(crate) fn remove(&self, number: Number) {
        let removed = self.slot(number).and_then(|slot| {
            let mut slot = slot.write();
            if slot.serial != number.serial() {
                return None;
            }
            let cell = slot.cell.take()?;
            slot.serial = slot.serial.wrapping_add(1);
            Some(cell)
        });
        if removed.is_some() {
            let mut free = self.free.lock();
            free.slots.push_back(number.id() - 1);
            free.alive -= 1;
        }
    }

    /// Runs `with` on the process, if it is there, without counting a reference to it.
    #[inline(always)]
    pub(crate) fn with<R>(&self, number: Number, with: impl FnOnce(&Arc<Cell>) -> R) -> Option<R> {
        let slot = self.slot(number)?.read();
        if slot.serial != number.serial() {
            return None;
        }
        slot.cell.as_ref().map(with)
    }

    pub(crate) fn get(&self, number: Number) -> Option<Arc<Cell>> {
        self.with(number, Arc::clone)
    }

    /// How many processes there are, and how many were started.
    pub(crate) fn counts(&self) -> (usize, u64) {
        let free = self.free.lock();
        (free.alive, free.started)
    }

    /// Every process there is, seen one after the other while others come and go.
    pub(crate) fn all(&self) -> Vec<Arc<Cell>> {
        let used = self.free.lock().next;
        let slots = self.blocks.iter().filter_map(OnceLock::get).flat_map(|block| block.iter());
        slots.take(used as usize).filter_map(|slot| slot.read().cell.clone()).collect()
    }

    #[inline(always)]
    fn slot(&self, number: Number) -> Option<&RwLock<Slot>> {
        let (block, at) = place(number.id().checked_sub(1)?);
        self.blocks.get(block)?.get()?.get(at)
    }

    fn allot(&self) -> Option<u32> {
        let mut free = self.free.lock();
        let index = if free.slots.len() > RESTING || free.next >= LIMIT {
            free.slots.pop_front()?
        } else {
            free.next += 1;
            free.next - 1
        };
        free.alive += 1;
        free.started += 1;
        Some(index)
    }
}

const LIMIT: u32 = ((1 << BLOCKS) - 1) << FIRST_BLOCK_BITS;

/// The block of a slot, and where in it.
#[inline]
const fn place(index: u32) -> (usize, usize) {
    let shifted = index as u64 + (1 << FIRST_BLOCK_BITS);
    let block = 63 - shifted.leading_zeros() - FIRST_BLOCK_BITS;
    (block as usize, (shifted - (1 << (block + FIRST_BLOCK_BITS))) as usize)
}

fn empty_block(block: usize) -> Box<[RwLock<Slot>]> {
    (0..1_usize << (block as u32 + FIRST_BLOCK_BITS)).map(|_| RwLock::default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_fill_block_after_block() {
        assert_eq!(place(0), (0, 0));
        assert_eq!(place(63), (0, 63));
        assert_eq!(place(64), (1, 0));
        assert_eq!(place(191), (1, 127));
        assert_eq!(place(192), (2, 0));
        assert_eq!(
            place(LIMIT - 1),
            (BLOCKS - 1, (1 << (BLOCKS as u32 - 1 + FIRST_BLOCK_BITS)) - 1)
        );
    }
}
