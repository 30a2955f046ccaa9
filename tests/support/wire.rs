//! The wire as y-protocols documents it, written and read independently of the server's own code.

/// Asks who is here.
pub(crate) const QUERY_AWARENESS: [u8; 1] = [3];

/// What a server can say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    Step1(Vec<u8>),
    Step2(Vec<u8>),
    Update(Vec<u8>),
    /// Client id, clock, JSON.
    Awareness(Vec<(u64, u64, String)>),
    Denied(String),
    /// JSON of something that is so now.
    Now(String),
    SavedCount(u64),
    SavedEcho(Vec<u8>),
}

impl Heard {
    pub(crate) fn update(self) -> Option<Vec<u8>> {
        if let Self::Update(update) = self { Some(update) } else { None }
    }

    pub(crate) fn step2(self) -> Option<Vec<u8>> {
        if let Self::Step2(update) = self { Some(update) } else { None }
    }

    pub(crate) fn is_step2(&self) -> bool {
        matches!(self, Self::Step2(_))
    }

    pub(crate) fn awareness(self) -> Option<Vec<(u64, u64, String)>> {
        if let Self::Awareness(entries) = self { Some(entries) } else { None }
    }

    pub(crate) fn denied(self) -> Option<String> {
        if let Self::Denied(reason) = self { Some(reason) } else { None }
    }

    pub(crate) fn now(self) -> Option<serde_json::Value> {
        if let Self::Now(json) = self { serde_json::from_str(&json).ok() } else { None }
    }

    pub(crate) fn saved_count(self) -> Option<u64> {
        if let Self::SavedCount(count) = self { Some(count) } else { None }
    }

    /// Whether it tells a peer that something it sent is durable.
    pub(crate) fn confirms(&self) -> bool {
        matches!(self, Self::SavedCount(_) | Self::SavedEcho(_))
    }

    /// Reads one frame, which holds exactly one message: stock clients do not look at a second.
    pub(crate) fn read(frame: &[u8]) -> Self {
        let mut reader = Reader(frame);
        let heard = match reader.uint() {
            0 => match reader.uint() {
                0 => Self::Step1(reader.buf().to_vec()),
                1 => Self::Step2(reader.buf().to_vec()),
                2 => Self::Update(reader.buf().to_vec()),
                other => panic!("sync message {other}"),
            },
            1 => Self::Awareness(entries(reader.buf())),
            2 => {
                assert_eq!(reader.uint(), 0, "only permission denied is ever sent");
                Self::Denied(String::from_utf8(reader.buf().to_vec()).expect("UTF-8"))
            }
            100 => Self::Now(String::from_utf8(reader.buf().to_vec()).expect("UTF-8")),
            101 => Self::SavedCount(reader.uint()),
            102 => Self::SavedEcho(reader.buf().to_vec()),
            other => panic!("message {other}"),
        };
        assert!(reader.0.is_empty(), "a frame with more than {heard:?}");
        heard
    }
}

fn entries(body: &[u8]) -> Vec<(u64, u64, String)> {
    let mut reader = Reader(body);
    let count = reader.uint();
    let entries = (0..count)
        .map(|_| (reader.uint(), reader.uint(), String::from_utf8(reader.buf().to_vec()).expect("UTF-8")))
        .collect();
    assert!(reader.0.is_empty(), "an awareness body with more than its entries");
    entries
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn uint(&mut self) -> u64 {
        let mut value = 0;
        for shift in (0..).step_by(7) {
            let (&byte, rest) = self.0.split_first().expect("a whole number");
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        value
    }

    fn buf(&mut self) -> &'a [u8] {
        let len = usize::try_from(self.uint()).expect("a length");
        let (buf, rest) = self.0.split_at(len);
        self.0 = rest;
        buf
    }
}

pub(crate) fn put_var_uint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_buf(out: &mut Vec<u8>, buf: &[u8]) {
    put_var_uint(out, buf.len() as u64);
    out.extend_from_slice(buf);
}

fn message(head: &[u8], body: &[u8]) -> Vec<u8> {
    let mut out = head.to_vec();
    put_buf(&mut out, body);
    out
}

pub(crate) fn step1(state_vector: &[u8]) -> Vec<u8> {
    message(&[0, 0], state_vector)
}

pub(crate) fn step2(update: &[u8]) -> Vec<u8> {
    message(&[0, 1], update)
}

pub(crate) fn update(update: &[u8]) -> Vec<u8> {
    message(&[0, 2], update)
}

/// A 102 message.
pub(crate) fn saved_query(payload: &[u8]) -> Vec<u8> {
    message(&[102], payload)
}

/// An awareness message of these client ids, clocks and JSON texts.
pub(crate) fn awareness(entries: &[(u64, u64, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    put_var_uint(&mut body, entries.len() as u64);
    for &(client, clock, json) in entries {
        put_var_uint(&mut body, client);
        put_var_uint(&mut body, clock);
        put_buf(&mut body, json.as_bytes());
    }
    message(&[1], &body)
}
