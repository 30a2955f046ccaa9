//! What a walk over an update tells: whose blocks are in it, where they stand, what they need and what is deleted.

use std::ops::Range;

use crate::id::ClientId;

/// Info bits of an item.
pub(super) const HAS_ORIGIN: u8 = 0x80;
pub(super) const HAS_RIGHT_ORIGIN: u8 = 0x40;
pub(super) const HAS_KEY: u8 = 0x20;
pub(super) const CONTENT: u8 = 0x1f;
/// Kinds of content.
pub(super) const STRING: u8 = 4;
pub(super) const ANY: u8 = 8;

/// Learns what an update holds while it is walked. When the walk fails, what was told until then means nothing.
pub trait UpdateVisitor {
    /// Blocks client:[clock, clock+len) are in this update. Consecutive structs of one section come as one run; skips
    /// interrupt a run.
    fn run(&mut self, _client: ClientId, _clock: u32, _len: u32) {}

    /// The update says nothing about blocks client:[clock, clock+len), which lie between others of its section.
    fn skip(&mut self, _client: ClientId, _clock: u32, _len: u32) {}

    /// The update needs this block: an origin, right origin or parent.
    fn reference(&mut self, _client: ClientId, _clock: u32) {}

    /// Blocks client:[clock, clock+len) stand there.
    fn place(&mut self, _client: ClientId, _clock: u32, _len: u32, _place: Place) {}

    /// One struct, as it is written.
    fn structure(&mut self, _structure: &Structure) {}

    /// A block holds a shared type.
    fn shared_type(&mut self) {}

    /// A block holds a subdocument.
    fn subdocument(&mut self) {}

    /// Blocks client:[clock, clock+len) are deleted.
    fn delete(&mut self, _client: ClientId, _clock: u32, _len: u32) {}

    /// One client section is over: its structs are `bytes[body]`; `structs` of them, starting at `first_clock`. Lets a
    /// caller concatenate contiguous updates without decoding.
    fn section(&mut self, _client: ClientId, _first_clock: u32, _structs: u64, _body: Range<usize>) {}

    /// The delete set starts at this byte offset.
    fn delete_set_at(&mut self, _offset: usize) {}
}

/// Where blocks stand, as far as the update says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Nowhere any more.
    Collected,
    /// In a root type.
    Root,
    /// In the type that this block holds.
    Inside((ClientId, u32)),
    /// In the type of its left neighbour, or else its right one, as they were when it was written.
    Beside(Option<(ClientId, u32)>, Option<(ClientId, u32)>),
}

/// One struct of an update, and where in the update's bytes it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Structure {
    /// Whose blocks.
    pub client: ClientId,
    /// Their first clock.
    pub clock: u32,
    /// Their number.
    pub len: u32,
    /// The first byte: content and which ids follow.
    pub info: u8,
    /// Offset of the info byte.
    pub start: usize,
    /// Offset of the content, after ids, parent and key.
    pub content: usize,
    /// Offset after the content.
    pub end: usize,
    /// The ids.
    pub place: Option<Place>,
}

impl Structure {
    /// The text of a string, or the values of an `Any`, if `next` goes on with it as if both had been written as one: Yjs
    /// and yrs merge such blocks themselves once they have them.
    pub fn is_continued_by(&self, next: &Self) -> bool {
        let alike = (self.info ^ next.info) & (CONTENT | HAS_RIGHT_ORIGIN | HAS_KEY) == 0;
        let last = (self.client, self.clock + self.len - 1);
        let follows = matches!(next.place, Some(Place::Beside(Some(origin), _)) if origin == last);
        self.is_mergeable()
            && alike
            && follows
            && self.clock + self.len == next.clock
            && right_of(self) == right_of(next)
    }

    /// Whether another struct could go on with this one.
    pub const fn is_mergeable(&self) -> bool {
        matches!(self.info & CONTENT, STRING | ANY) && self.info & HAS_KEY == 0 && self.place.is_some()
    }

    /// Whether the content is a string; it then begins with its length in bytes. An `Any` begins with its count.
    pub const fn is_string(&self) -> bool {
        self.info & CONTENT == STRING
    }
}

fn right_of(structure: &Structure) -> Option<(ClientId, u32)> {
    match structure.place {
        Some(Place::Beside(_, right)) => right,
        Some(Place::Collected | Place::Root | Place::Inside(_)) | None => None,
    }
}

/// Wants to know nothing.
impl UpdateVisitor for () {}
