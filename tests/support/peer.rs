//! A peer that speaks raw frames, with a plain yrs document where it needs one.

use std::{
    io,
    net::{Shutdown, TcpStream},
    time::{Duration, Instant},
};

use tungstenite::{
    Error, HandshakeError, Message, WebSocket,
    client::IntoClientRequest,
    http::{HeaderValue, Request, header},
    protocol::WebSocketConfig,
};
use yrs::Doc;

use super::{Access, Heard, PATIENCE, Response, replica::document, wire};

/// What a peer met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    Heard(Heard),
    Ping,
    /// The close frame's code.
    Closed(u16),
    /// The connection ended without a close frame.
    Gone,
}

/// One WebSocket connection.
pub(crate) struct Peer {
    socket: WebSocket<TcpStream>,
}

impl Peer {
    /// Joins a document, with parameters after the token such as `&ext=1`.
    pub(crate) fn join(access: &Access, document: &str, more: &str) -> Self {
        let url = format!("{}/{document}?token={}{more}", access.server_url(), access.token);
        Self::connect(&url, None).unwrap_or_else(|refused| panic!("refused: {refused:?}"))
    }

    /// Opens a WebSocket, or is told why not.
    pub(crate) fn connect(url: &str, bearer: Option<&str>) -> Result<Self, Response> {
        let mut request: Request<()> = url.into_client_request().expect("a URL");
        if let Some(token) = bearer {
            let value = HeaderValue::from_str(&format!("Bearer {token}")).expect("a token");
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        let authority = request.uri().authority().expect("an address").as_str().to_owned();
        let stream = TcpStream::connect(authority).expect("it listens");
        stream.set_nodelay(true).expect("a socket");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        match tungstenite::client::client_with_config(request, stream, Some(config)) {
            Ok((socket, _)) => Ok(Self { socket }),
            Err(HandshakeError::Failure(Error::Http(response))) => {
                let (parts, body) = response.into_parts();
                let mut text = format!("HTTP/1.1 {} \r\n", parts.status.as_u16());
                for (name, value) in &parts.headers {
                    text += &format!("{name}: {}\r\n", value.to_str().expect("text"));
                }
                text += &format!("\r\n{}", String::from_utf8_lossy(&body.unwrap_or_default()));
                Err(Response::parse(&text))
            }
            Err(other) => panic!("neither accepted nor refused: {other}"),
        }
    }

    /// Sends a frame.
    pub(crate) fn send(&mut self, frame: Vec<u8>) {
        self.try_send(frame).expect("it reads");
    }

    /// Sends a frame to a server that may close meanwhile.
    pub(crate) fn try_send(&mut self, frame: Vec<u8>) -> Result<(), Error> {
        self.socket.send(Message::binary(frame))
    }

    /// Puts a frame behind others, to go out together.
    pub(crate) fn queue(&mut self, frame: Vec<u8>) {
        self.socket.write(Message::binary(frame)).expect("it reads");
    }

    pub(crate) fn flush(&mut self) {
        self.socket.flush().expect("it reads");
    }

    pub(crate) fn send_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).expect("it reads");
    }

    pub(crate) fn ping(&mut self) {
        self.socket.send(Message::Ping("still there?".into())).expect("it reads");
    }

    /// The next thing it hears within `patience`; pings are answered.
    pub(crate) fn next_within(&mut self, patience: Duration) -> Option<Event> {
        self.socket.get_ref().set_read_timeout(Some(patience)).expect("a socket");
        loop {
            return Some(match self.socket.read() {
                Ok(Message::Binary(frame)) => Event::Heard(Heard::read(&frame)),
                Ok(Message::Ping(_)) => {
                    self.socket.flush().ok();
                    Event::Ping
                }
                Ok(Message::Pong(_) | Message::Frame(_)) => continue,
                Ok(Message::Text(text)) => panic!("text: {text}"),
                Ok(Message::Close(close)) => Event::Closed(close.map_or(1005, |close| close.code.into())),
                Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(_) => Event::Gone,
            });
        }
    }

    /// Waits for what `wanted` takes, whatever comes before it.
    pub(crate) fn until<T>(&mut self, what: &str, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut last = Vec::new();
        while Instant::now() < deadline {
            let event = self.next_within(Duration::from_secs(1));
            let ended = matches!(event, Some(Event::Closed(_) | Event::Gone));
            let Some(event) = event else { continue };
            last.push(format!("{event:.200?}"));
            if let Some(found) = wanted(event) {
                return found;
            }
            assert!(!ended, "in vain: {what}; heard {last:?}");
        }
        panic!("in vain: {what}; heard {last:?}")
    }

    /// The same, of messages only.
    pub(crate) fn until_heard<T>(&mut self, what: &str, mut wanted: impl FnMut(Heard) -> Option<T>) -> T {
        self.until(what, |event| if let Event::Heard(heard) = event { wanted(heard) } else { None })
    }

    /// Waits for an awareness message with an entry of `client`, and returns its clock and JSON.
    pub(crate) fn until_awareness(&mut self, client: u64) -> (u64, String) {
        self.until_heard(&format!("an awareness entry of {client}"), |heard| {
            heard.awareness()?.into_iter().find(|&(id, ..)| id == client).map(|(_, clock, json)| (clock, json))
        })
    }

    /// Waits for the end, and returns its code.
    pub(crate) fn close_code(&mut self) -> u16 {
        self.until("the connection is closed", |event| match event {
            Event::Closed(code) => Some(code),
            Event::Gone => Some(1006),
            Event::Heard(_) | Event::Ping => None,
        })
    }

    /// Waits for a pong to a ping of its own: everything sent before it has been read.
    pub(crate) fn is_served(&mut self) {
        self.ping();
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "in vain: a pong");
            match self.socket.read() {
                Ok(Message::Pong(_)) => return,
                Ok(_) => {}
                Err(error) => panic!("no pong: {error}"),
            }
        }
    }

    /// Asks for the whole document, and returns it.
    pub(crate) fn fetch(&mut self) -> Doc {
        self.send(wire::step1(&[0]));
        // The answer may come in parts; step 2 is the last.
        let mut parts = Vec::new();
        self.until_heard("step 2", |heard| {
            let is_last = heard.is_step2();
            parts.extend(if is_last { heard.step2() } else { heard.update() });
            is_last.then_some(())
        });
        document(&parts)
    }

    /// Ends the connection as a network that breaks does.
    pub(crate) fn break_off(self) {
        self.socket.get_ref().shutdown(Shutdown::Both).ok();
    }

    /// A second handle on the socket, to wait or to write beside the WebSocket.
    pub(crate) fn stream(&self) -> TcpStream {
        self.socket.get_ref().try_clone().expect("a socket")
    }
}
