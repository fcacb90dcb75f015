//! Blocks that nobody holds any more: a thread writes its next small messages into those that it dropped last.
//!
//! A message is mostly dropped by the thread that decoded it, and the next one is of its kind: then neither memory is asked for nor the
//! nodes are copied. What is kept is bounded, a dozen KiB for each thread, and nothing is kept ahead: a block of a stock's size is made for one
//! of another that was dropped, so that messages which are all kept have blocks no larger than they need.

use std::cell::Cell;

use crate::block::{Blank, Shared};
use crate::node::Node;

/// The sizes there are, smallest first: cells of a block. Each is for messages of 64 bytes and twice the one before: a third of the cells
/// for the bytes, and the others for nodes of eight bytes of the wire.
const CELLS: [usize; SIZES] = [12, 24, 48, 96];
const SIZES: usize = 4;
const SMALLEST: usize = 64;

/// How many blocks of a size are kept: what a thread has in hand at once is one or two, and the larger ones are the dearer ones.
const DEPTH: [u8; SIZES] = [8, 8, 4, 2];
const DEEPEST: usize = 8;

/// The blocks of one size.
struct Shelf {
    blocks: [Cell<Option<Shared>>; DEEPEST],
    count: Cell<u8>,
    /// How many may be made: as many as messages of this size were dropped whose blocks had no more cells than they needed.
    owed: Cell<u8>,
}

impl Shelf {
    const fn new() -> Self {
        let blocks = [const { Cell::new(None) }; DEEPEST];
        Self { blocks, count: Cell::new(0), owed: Cell::new(0) }
    }
}

thread_local! {
    static STOCK: [Shelf; SIZES] = const { [const { Shelf::new() }; SIZES] };
}

/// Which size is for a message of so many bytes: 0 up to 64, 1 up to 128, ... and for long ones the smallest, since what is
/// in a block then is one long binary or the beginning of much.
#[inline(always)]
const fn size_for(length: usize) -> usize {
    let size = usize::BITS - (length.saturating_sub(1) / SMALLEST).leading_zeros();
    if (size as usize) < SIZES { size as usize } else { 0 }
}

/// A block for a message of so many bytes, where there is one.
#[inline(always)]
pub(crate) fn take(length: usize) -> Option<Blank> {
    let size = size_for(length);
    let shared = STOCK.try_with(|stock| {
        let shelf = stock.get(size)?;
        match shelf.count.get().checked_sub(1) {
            Some(last) => {
                shelf.count.set(last);
                shelf.blocks.get(usize::from(last))?.take()
            }
            None => make(shelf, size),
        }
    });
    shared.ok()??.alone()
}

#[cold]
#[inline(never)]
fn make(shelf: &Shelf, size: usize) -> Option<Shared> {
    const BLANK: [Node; CELLS[SIZES - 1]] = [Node::NIL; CELLS[SIZES - 1]];
    shelf.owed.set(shelf.owed.get().checked_sub(1)?);
    Some(Shared::blank(BLANK.get(..*CELLS.get(size)?)?))
}

/// Keeps a block that its last holder has dropped, where it is of a size and there is room; else it is given back to the allocator.
#[inline]
pub(crate) fn give_back(shared: Shared) {
    let Some(mut blank) = shared.alone() else { return };
    // What it holds is dropped before the stock is touched: that may be anybody's code.
    let size = size_for(blank.empty());
    keep(blank, size);
}

/// Puts back what was taken for a message that did not come, or not into it.
#[cold]
#[inline(never)]
pub(crate) fn put_back(blank: Option<Blank>) {
    if let Some(mut blank) = blank
        && let Some(size) = CELLS.iter().position(|&cells| cells == blank.cells().len())
    {
        keep(blank, size);
    }
}

/// Keeps a block of a message of this size.
#[inline]
fn keep(mut blank: Blank, size: usize) {
    // While the thread ends there is no stock any more.
    let _ = STOCK.try_with(|stock| {
        let (Some(shelf), Some(&depth)) = (stock.get(size), DEPTH.get(size)) else { return };
        let count = shelf.count.get();
        if CELLS.get(size) != Some(&blank.cells().len()) {
            shelf.owed.set(depth.min(shelf.owed.get() + 1));
        } else if count < depth
            && let Some(place) = shelf.blocks.get(usize::from(count))
        {
            place.set(Some(blank.back()));
            shelf.count.set(count + 1);
        }
    });
}
