//! The messages of the y-websocket family, as a client writes and reads them: lib0 primitives, sync, awareness, saved.
//!
//! Written apart from `orrery-protocol` on purpose: a load that shared the server's reader would share its mistakes.

/// Appends a lib0 `varUint`.
pub(crate) fn put_uint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(0x80 | (value & 0x7f) as u8);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a lib0 `varUint8Array`, which is also a `varString`.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_uint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Reads lib0 primitives from the front of a byte slice; `None` means the bytes end too early.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    pub(crate) fn uint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    pub(crate) fn skip(&mut self, len: usize) -> Option<()> {
        self.rest = self.rest.get(len..)?;
        Some(())
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.uint()?).ok()?;
        let (bytes, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(bytes)
    }
}

/// What a server may say, as far as a load listens.
#[derive(Debug, PartialEq)]
pub(crate) enum Message<'a> {
    /// A state vector: the server asks for what it lacks.
    Step1,
    /// An update in answer to our state vector.
    Step2(&'a [u8]),
    /// An update as it happens.
    Update(&'a [u8]),
    /// Awareness entries.
    Awareness(&'a [u8]),
    /// How many of this peer's updates are on disk (`ext=1`).
    Saved(u64),
    /// Anything else.
    Other,
}

/// Reads one message from the front of `reader`.
pub(crate) fn read_message<'a>(reader: &mut Reader<'a>) -> Option<Message<'a>> {
    let message = match reader.uint()? {
        0 => match reader.uint()? {
            0 => reader.bytes().map(|_| Message::Step1)?,
            1 => Message::Step2(reader.bytes()?),
            2 => Message::Update(reader.bytes()?),
            _ => return None,
        },
        1 => Message::Awareness(reader.bytes()?),
        101 => Message::Saved(reader.uint()?),
        _ => {
            reader.skip(reader.rest().len())?;
            Message::Other
        }
    };
    Some(message)
}

/// SyncStep1 of an empty document.
pub(crate) fn step1() -> Vec<u8> {
    vec![0, 0, 1, 0]
}

/// SyncStep2 that adds nothing.
pub(crate) fn empty_step2() -> Vec<u8> {
    vec![0, 1, 2, 0, 0]
}

/// An update message around a Yjs update v1.
pub(crate) fn update(payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0, 2];
    put_bytes(&mut out, payload);
    out
}

/// One awareness entry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Entry<'a> {
    pub(crate) client: u64,
    pub(crate) clock: u64,
    pub(crate) json: &'a [u8],
}

/// An awareness message with these entries.
pub(crate) fn awareness(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(16 + entries.iter().map(|entry| entry.json.len() + 16).sum::<usize>());
    put_uint(&mut payload, entries.len() as u64);
    for entry in entries {
        put_uint(&mut payload, entry.client);
        put_uint(&mut payload, entry.clock);
        put_bytes(&mut payload, entry.json);
    }
    let mut out = vec![1];
    put_bytes(&mut out, &payload);
    out
}

/// The entries of an awareness message's payload; stops at the first that is cut short.
pub(crate) fn entries(payload: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    let mut reader = Reader::new(payload);
    let count = reader.uint().unwrap_or(0);
    (0..count).map_while(move |_| Some(Entry { client: reader.uint()?, clock: reader.uint()?, json: reader.bytes()? }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_round_trip() {
        let payload = vec![7; 300];
        let bytes = update(&payload);
        assert_eq!(read_message(&mut Reader::new(&bytes)), Some(Message::Update(&payload)));
        assert_eq!(read_message(&mut Reader::new(&step1())), Some(Message::Step1));
        assert_eq!(read_message(&mut Reader::new(&empty_step2())), Some(Message::Step2(&[0, 0])));
        assert_eq!(read_message(&mut Reader::new(&[101, 0xac, 2])), Some(Message::Saved(300)));
        assert_eq!(read_message(&mut Reader::new(&bytes[..200])), None);
    }

    #[test]
    fn awareness_entries_round_trip() {
        let sent =
            [Entry { client: 1 << 40, clock: 3, json: b"{\"x\":1}" }, Entry { client: 2, clock: 900, json: b"null" }];
        let bytes = awareness(&sent);
        let Some(Message::Awareness(payload)) = read_message(&mut Reader::new(&bytes)) else { panic!("no awareness") };
        assert_eq!(entries(payload).collect::<Vec<_>>(), sent);
    }
}
