//! What std would bring, for guests that may import nothing: an allocator, the function through which the host places arguments, and the end of a panic.
//!
//! An instance serves one call, so memory is handed out in a row and given back only by dropping the instance. Growing linear memory costs
//! the host more than a whole call; the first 64 KiB are therefore part of the guest's own memory (zeroes, which take no room in the file).

#![allow(unsafe_code, reason = "an allocator is unsafe by its trait, and `cabi_realloc` by the canonical ABI")]

use alloc::alloc::{alloc, realloc};
use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32;
use core::cell::{Cell, UnsafeCell};
use core::ptr::{null_mut, with_exposed_provenance_mut};

// `memcmp` and its kin, which the compiler calls by itself; nothing of libc that imports anything is drawn in.
#[link(name = "c")]
unsafe extern "C" {}

const FIRST_BYTES: usize = 64 * 1024;
const PAGE_BYTES: usize = 64 * 1024;

struct Row {
    first: UnsafeCell<[u8; FIRST_BYTES]>,
    next: Cell<usize>,
    end: Cell<usize>,
}

// SAFETY: a guest has one thread.
unsafe impl Sync for Row {}

#[global_allocator]
static ROW: Row = Row { first: UnsafeCell::new([0; FIRST_BYTES]), next: Cell::new(0), end: Cell::new(0) };

impl Row {
    /// Makes the row reach at least to `end`, which may need a new row elsewhere; `false`: there is no more memory.
    fn reach(&self, bytes: usize, align: usize) -> Option<usize> {
        if self.end.get() == 0 {
            let first = self.first.get().expose_provenance();
            self.next.set(first);
            self.end.set(first + FIRST_BYTES);
        }
        if let Some(start) = self.fit(bytes, align) {
            return Some(start);
        }
        let pages = bytes.checked_add(align)?.div_ceil(PAGE_BYTES);
        let grown = wasm32::memory_grow::<0>(pages);
        if grown == usize::MAX {
            return None;
        }
        let (start, bytes_grown) = (grown * PAGE_BYTES, pages * PAGE_BYTES);
        if start != self.end.get() {
            self.next.set(start);
        }
        // The very last page of the address space ends at 0: held one byte short.
        self.end.set(start.saturating_add(bytes_grown));
        self.fit(bytes, align)
    }

    fn fit(&self, bytes: usize, align: usize) -> Option<usize> {
        let start = self.next.get().checked_next_multiple_of(align)?;
        (start.checked_add(bytes)? <= self.end.get()).then_some(start)
    }
}

// SAFETY: each block lies inside memory that only this row hands out, after every block still in use.
unsafe impl GlobalAlloc for Row {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(start) = self.reach(layout.size(), layout.align()) else { return null_mut() };
        self.next.set(start + layout.size());
        with_exposed_provenance_mut(start)
    }

    // Nothing is taken back, and so the compiler can leave out every drop: a quarter of a policy's code. What grows, grows in place.
    #[inline(always)]
    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        let is_last = block.addr() + layout.size() == self.next.get();
        if is_last && block.addr().checked_add(bytes).is_some_and(|end| end <= self.end.get()) {
            self.next.set(block.addr() + bytes);
            return block;
        }
        if bytes <= layout.size() {
            return block;
        }
        // SAFETY: the caller keeps the contract of `realloc`, and the new block does not overlap the old.
        unsafe {
            let fresh = self.alloc(Layout::from_size_align_unchecked(bytes, layout.align()));
            if !fresh.is_null() {
                fresh.copy_from_nonoverlapping(block, layout.size());
            }
            fresh
        }
    }
}

/// Called by the host to place strings and lists.
#[unsafe(no_mangle)]
unsafe extern "C" fn cabi_realloc(old: *mut u8, old_bytes: usize, align: usize, bytes: usize) -> *mut u8 {
    // SAFETY: the canonical ABI hands in either nothing or a block of ours with its size and alignment.
    let block = unsafe {
        match (old_bytes, bytes) {
            (0, 0) => return with_exposed_provenance_mut(align),
            (0, _) => alloc(Layout::from_size_align_unchecked(bytes, align)),
            _ => realloc(old, Layout::from_size_align_unchecked(old_bytes, align), bytes),
        }
    };
    if block.is_null() {
        wasm32::unreachable()
    }
    block
}

/// A policy that panics traps; what it would have said is not worth the code that formats it.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    wasm32::unreachable()
}
