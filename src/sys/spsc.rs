//! A queue without a lock, between one thread at a time that puts in and one that takes out.
//!
//! What is put in are records: short runs of bytes, which are copied into the queue's own memory, and values. They lie one behind the
//! other in blocks; behind the last record that fits, a block says that it goes on in the next one. The producer publishes how many
//! records there are, and nothing else is shared, so a queue that is never empty costs each side no cache line of the other's but
//! those of the records themselves.
//!
//! ```text
//!   block: next │ size │ record record record go-on        record: head (length, tag, kind) │ bytes, or a value
//! ```

use std::alloc::{Layout, alloc, dealloc};
use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::sync::Arc;

use super::sync::{AtomicPtr, AtomicU64, Ordering, publish};

/// Bytes of the first block, and of those that follow while a queue is in use.
const FIRST: usize = 1024;
const USUAL: usize = 16 * 1024;

/// Records begin at multiples of this.
const ALIGN: usize = 8;

/// What stands in front of every record.
#[repr(C)]
#[derive(Clone, Copy)]
struct RecordHead {
    /// Bytes that follow, but for padding.
    len: u32,
    /// The producer's word about bytes.
    tag: u16,
    kind: RecordKind,
}

const HEAD: usize = size_of::<RecordHead>();

#[repr(u16)]
#[derive(Clone, Copy, PartialEq, Eq)]
enum RecordKind {
    Bytes,
    Value,
    GoOn,
}

#[repr(C, align(8))]
struct QueueBlock {
    next: *mut QueueBlock,
    /// Bytes behind this head.
    size: usize,
}

/// Puts records in.
pub struct Producer<T: Send> {
    shared: Arc<QueueState<T>>,
}

/// Takes records out.
pub struct Consumer<T: Send> {
    shared: Arc<QueueState<T>>,
}

/// What was put in.
pub enum Record<'a, T> {
    Bytes(u16, &'a [u8]),
    Value(T),
}

/// There is no memory for another record. Nothing has changed.
#[derive(Debug)]
pub struct OutOfMemory;

/// On a pair of cache lines of its own: they are fetched in pairs.
#[repr(align(128))]
struct Padded<V>(V);

struct QueueState<T: Send> {
    /// Records put in so far; written by the producer.
    put: Padded<AtomicU64>,
    producer: Padded<UnsafeCell<QueueEnd>>,
    consumer: Padded<UnsafeCell<QueueEnd>>,
    /// Where the consumer begins.
    first: AtomicPtr<QueueBlock>,
    /// A block that was read, for the next one that is needed.
    spare: AtomicPtr<QueueBlock>,
    holds: PhantomData<T>,
}

/// Where one side stands.
struct QueueEnd {
    block: *mut QueueBlock,
    /// Bytes of the block that are behind it.
    at: usize,
    /// Records put in, or taken out, so far.
    count: u64,
    /// How many there are at least, as the consumer has seen.
    seen: u64,
}

// SAFETY: the places are used through the one `Producer` and the one `Consumer`, each by `&mut`; records travel from one to the other by
// the release and the acquire of `put`, and may be sent to another thread.
unsafe impl<T: Send> Send for QueueState<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for QueueState<T> {}

/// An empty queue. It takes no memory for records until the first one is put in.
pub fn queue<T: Send>() -> (Producer<T>, Consumer<T>) {
    const { assert!(align_of::<T>() <= ALIGN) };
    let place = || Padded(UnsafeCell::new(QueueEnd { block: ptr::null_mut(), at: 0, count: 0, seen: 0 }));
    let shared = Arc::new(QueueState {
        put: Padded(AtomicU64::new(0)),
        producer: place(),
        consumer: place(),
        first: AtomicPtr::new(ptr::null_mut()),
        spare: AtomicPtr::new(ptr::null_mut()),
        holds: PhantomData,
    });
    (Producer { shared: Arc::clone(&shared) }, Consumer { shared })
}

impl<T: Send> Producer<T> {
    /// Records put in so far.
    #[inline]
    pub fn count(&self) -> u64 {
        // SAFETY: only this producer writes to its place, by `&mut`.
        unsafe { (*self.shared.producer.0.get()).count }
    }

    /// Puts in bytes, about which there is nothing to say.
    #[inline(always)]
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), OutOfMemory> {
        let place = self.reserve(RecordKind::Bytes, 0, bytes.len())?;
        // SAFETY: `reserve` gives a place for as many bytes, which nobody else looks at before they are published.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len()) };
        self.publish();
        Ok(())
    }

    /// Puts in the bytes of both parts, one behind the other, and a word about them.
    #[inline]
    pub fn put_bytes(&mut self, tag: u16, parts: [&[u8]; 2]) -> Result<(), OutOfMemory> {
        let [first, second] = parts;
        let len = first.len() + second.len();
        let place = self.reserve(RecordKind::Bytes, tag, len)?;
        // SAFETY: `reserve` gives a place for `len` bytes, which nobody else looks at before they are published.
        unsafe {
            ptr::copy_nonoverlapping(first.as_ptr(), place, first.len());
            ptr::copy_nonoverlapping(second.as_ptr(), place.add(first.len()), second.len());
        }
        self.publish();
        Ok(())
    }

    /// Makes sure that a value can be put in next.
    #[inline]
    pub fn make_room(&mut self) -> Result<(), OutOfMemory> {
        // SAFETY: the producer's place is ours by `&mut self`.
        let place = unsafe { &mut *self.shared.producer.0.get() };
        if place.room() < size_of::<T>() + 2 * HEAD { self.shared.next_block(place, size_of::<T>()) } else { Ok(()) }
    }

    /// Puts in a value, for which there is room: otherwise it comes back.
    #[inline]
    pub fn put(&mut self, value: T) -> Result<(), T> {
        let Ok(place) = self.reserve(RecordKind::Value, 0, size_of::<T>()) else { return Err(value) };
        // SAFETY: `reserve` gives an aligned place for a value, which nobody else looks at before it is published.
        unsafe { place.cast::<T>().write(value) };
        self.publish();
        Ok(())
    }

    /// Writes the head of a record, and gives the place for what follows.
    #[inline(always)]
    fn reserve(&mut self, kind: RecordKind, tag: u16, len: usize) -> Result<*mut u8, OutOfMemory> {
        // SAFETY: the producer's place is ours by `&mut self`.
        let place = unsafe { &mut *self.shared.producer.0.get() };
        let head = RecordHead { len: u32::try_from(len).map_err(|_| OutOfMemory)?, tag, kind };
        if place.room() < len + 2 * HEAD {
            self.shared.next_block(place, len)?;
        }
        // SAFETY: there is room for the record and a head behind it, as was just seen to.
        unsafe {
            let start = place.pointer();
            start.cast::<RecordHead>().write(head);
            place.at += HEAD + len.next_multiple_of(ALIGN);
            Ok(start.add(HEAD))
        }
    }

    #[inline(always)]
    fn publish(&mut self) {
        // SAFETY: the producer's place is ours by `&mut self`.
        let place = unsafe { &mut *self.shared.producer.0.get() };
        place.count += 1;
        publish(&self.shared.put.0, place.count);
    }
}

impl<T: Send> Consumer<T> {
    /// Is there a record? What was put in before this thread last published something is seen.
    #[inline]
    pub fn has_more(&mut self) -> bool {
        // SAFETY: the consumer's place is ours by `&mut self`.
        let place = unsafe { &mut *self.shared.consumer.0.get() };
        if place.seen == place.count {
            place.seen = self.shared.put.0.load(Ordering::SeqCst);
        }
        place.seen != place.count
    }

    /// The same, for who may not change anything.
    pub fn is_empty(&self) -> bool {
        // SAFETY: only this consumer writes to its place, by `&mut`.
        let place = unsafe { &*self.shared.consumer.0.get() };
        self.shared.put.0.load(Ordering::SeqCst) == place.count
    }

    /// Takes out all records, and drops them.
    pub fn clear(&mut self) {
        while self.take(|record| drop(record)).is_some() {}
    }

    /// Takes the next record out, if there is one.
    #[inline]
    pub fn take<R>(&mut self, look: impl FnOnce(Record<'_, T>) -> R) -> Option<R> {
        if !self.has_more() {
            return None;
        }
        // SAFETY: the consumer's place is ours by `&mut self`.
        let place = unsafe { &mut *self.shared.consumer.0.get() };
        if place.block.is_null() {
            place.block = self.shared.first.load(Ordering::Acquire);
        }
        // SAFETY: a record that is counted was written before, and so was whatever leads to it.
        let (head, start) = unsafe { place.next_record(|read| self.shared.leave(read)) };
        let len = head.len as usize;
        Some(match head.kind {
            // SAFETY: the bytes are behind the head; the block is the consumer's until it goes on behind it.
            RecordKind::Bytes => look(Record::Bytes(head.tag, unsafe { std::slice::from_raw_parts(start, len) })),
            // SAFETY: a value was written there, and is read this once.
            RecordKind::Value | RecordKind::GoOn => look(Record::Value(unsafe { start.cast::<T>().read() })),
        })
    }
}

impl<T: Send> Consumer<T> {
    /// Copies the next record to where it is wanted, if it is bytes with this tag, fits there, and another record is behind it. Their
    /// number; otherwise nothing is done.
    #[inline(always)]
    pub fn take_bytes(&mut self, tag: u16, room: &mut [u8]) -> Option<usize> {
        // SAFETY: the consumer's place is ours by `&mut self`.
        let place = unsafe { &mut *self.shared.consumer.0.get() };
        if place.seen - place.count < 2 {
            place.seen = self.shared.put.0.load(Ordering::SeqCst);
        }
        if place.seen - place.count < 2 || place.block.is_null() {
            return None;
        }
        // SAFETY: a record that is counted was written before; in front of it, or of a word that it is elsewhere, is this place.
        let head = unsafe { place.pointer().cast::<RecordHead>().read() };
        let room = room.get_mut(..head.len as usize)?;
        if head.kind != RecordKind::Bytes || head.tag != tag {
            return None;
        }
        // SAFETY: the bytes are behind the head, and not the caller's.
        unsafe { ptr::copy_nonoverlapping(place.pointer().add(HEAD), room.as_mut_ptr(), room.len()) };
        place.at += HEAD + room.len().next_multiple_of(ALIGN);
        place.count += 1;
        Some(room.len())
    }
}

impl QueueEnd {
    /// Bytes left in the block.
    #[inline]
    fn room(&self) -> usize {
        // SAFETY: the block, if there is one, is this side's.
        if self.block.is_null() { 0 } else { unsafe { (*self.block).size - self.at } }
    }

    /// Goes behind the next record, and gives its head and where what follows that is. A block that was left on the way is handed over.
    ///
    /// # Safety
    /// There is a record, and nobody writes to it any more; nor to the blocks on the way.
    #[inline]
    unsafe fn next_record(&mut self, left: impl Fn(*mut QueueBlock)) -> (RecordHead, *mut u8) {
        loop {
            // SAFETY: the caller's promise: a head is at this place, and the next block is known where it says so.
            unsafe {
                let start = self.pointer();
                let head = start.cast::<RecordHead>().read();
                if head.kind != RecordKind::GoOn {
                    self.at += HEAD + (head.len as usize).next_multiple_of(ALIGN);
                    self.count += 1;
                    return (head, start.add(HEAD));
                }
                let read = self.block;
                (self.block, self.at) = ((*read).next, 0);
                left(read);
            }
        }
    }

    /// The place itself.
    ///
    /// # Safety
    /// There is a block, which is this side's.
    #[inline]
    unsafe fn pointer(&self) -> *mut u8 {
        // SAFETY: `at` is within the block, behind its head.
        unsafe { self.block.add(1).cast::<u8>().add(self.at) }
    }
}

impl<T: Send> QueueState<T> {
    /// The producer goes on in another block, with room for a record of so many bytes.
    #[cold]
    fn next_block(&self, place: &mut QueueEnd, len: usize) -> Result<(), OutOfMemory> {
        let least = len.next_multiple_of(ALIGN) + 2 * HEAD;
        let is_first = place.block.is_null();
        let spare = self.spare.swap(ptr::null_mut(), Ordering::AcqRel);
        // SAFETY: a spare block is nobody's but whoever took it out.
        let block = match NonNull::new(spare).filter(|spare| unsafe { spare.as_ref().size } >= least) {
            Some(spare) => spare.as_ptr(),
            None => {
                // SAFETY: as above.
                unsafe { QueueBlock::free(spare) };
                QueueBlock::new(least.max(if is_first { FIRST } else { USUAL }))?
            }
        };
        if is_first {
            self.first.store(block, Ordering::Release);
        } else {
            // SAFETY: room for a head is always left; the consumer comes here only when a record behind it is published.
            unsafe {
                (*place.block).next = block;
                place.pointer().cast::<RecordHead>().write(RecordHead { len: 0, tag: 0, kind: RecordKind::GoOn });
            }
        }
        (place.block, place.at) = (block, 0);
        Ok(())
    }

    /// The consumer has read this block, and leaves it to the producer.
    #[cold]
    fn leave(&self, read: *mut QueueBlock) {
        let other = self.spare.swap(read, Ordering::AcqRel);
        // SAFETY: a spare block is nobody's but whoever took it out.
        unsafe { QueueBlock::free(other) };
    }
}

impl<T: Send> Drop for Consumer<T> {
    /// What nobody will take is dropped.
    fn drop(&mut self) {
        self.clear();
    }
}

impl<T: Send> Drop for QueueState<T> {
    fn drop(&mut self) {
        // What was put in after the consumer had gone.
        let put = self.put.0.load(Ordering::SeqCst);
        let place = self.consumer.0.get_mut();
        if place.block.is_null() {
            place.block = self.first.load(Ordering::Acquire);
        }
        // SAFETY: both sides are gone, so all blocks are ours: those from the consumer's to the producer's, and a spare one.
        unsafe {
            QueueBlock::free(self.spare.load(Ordering::Acquire));
            while place.count != put {
                let (head, start) = place.next_record(|read| QueueBlock::free(read));
                if head.kind == RecordKind::Value {
                    start.cast::<T>().drop_in_place();
                }
            }
            let last = self.producer.0.get_mut().block;
            if last != place.block {
                QueueBlock::free(last);
            }
            QueueBlock::free(place.block);
        }
    }
}

impl QueueBlock {
    fn new(size: usize) -> Result<*mut QueueBlock, OutOfMemory> {
        let layout = QueueBlock::layout(size).ok_or(OutOfMemory)?;
        // SAFETY: the layout is not of size 0.
        let block = NonNull::new(unsafe { alloc(layout) }.cast::<QueueBlock>()).ok_or(OutOfMemory)?;
        // SAFETY: just allocated with this layout.
        unsafe { block.write(QueueBlock { next: ptr::null_mut(), size }) };
        Ok(block.as_ptr())
    }

    /// # Safety
    /// It is null, or came from `new` and is used by nobody any more.
    unsafe fn free(block: *mut QueueBlock) {
        // SAFETY: the caller's promise.
        let Some(layout) = (unsafe { block.as_ref() }).and_then(|block| QueueBlock::layout(block.size)) else { return };
        // SAFETY: it was allocated with the same layout.
        unsafe { dealloc(block.cast(), layout) };
    }

    fn layout(size: usize) -> Option<Layout> {
        Layout::from_size_align(size_of::<QueueBlock>().checked_add(size)?, align_of::<QueueBlock>()).ok()
    }
}

impl<T: Send> std::fmt::Debug for Producer<T> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Producer({})", self.count())
    }
}

impl<T: Send> std::fmt::Debug for Consumer<T> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Consumer")
    }
}
