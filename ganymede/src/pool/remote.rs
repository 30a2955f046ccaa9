//! Gateways in other processes, over HTTP. Owns how Ganymede calls them; every call shows an order signed for that gateway
//! alone.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use orrery_protocol::{
    control::{Order, Start},
    id::{Epoch, OrgId},
};
use reqwest::{Client, StatusCode};
use serde::Serialize;

use super::host::{GatewayAddress, HostError, SlotHost};
use crate::{
    clock::Clock,
    tokens::{OrderClaims, TokenKeys},
};

/// How long a connection may take. What the gateway then does is limited by whoever asks.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// The longest part of a gateway's answer that is repeated, in characters.
const ANSWER_CHARS_MAX: usize = 200;

/// Calls gateways in other processes.
pub struct RemoteHost {
    client: Client,
    tokens: Arc<TokenKeys>,
    clock: Clock,
}

/// No HTTP client could be made.
#[derive(Debug, thiserror::Error)]
#[error("no HTTP client: {0}")]
pub struct NoClient(String);

impl RemoteHost {
    /// A caller that signs with `tokens`.
    ///
    /// # Errors
    /// The system gives no client.
    pub fn new(tokens: Arc<TokenKeys>, clock: Clock) -> Result<Self, NoClient> {
        // A gateway is called where it says that it is, and nowhere else.
        let client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| NoClient(error.to_string()))?;
        Ok(Self { client, tokens, clock })
    }

    async fn call(
        &self,
        gateway: &GatewayAddress,
        path: &str,
        claims: OrderClaims,
        body: &impl Serialize,
    ) -> Result<(), HostError> {
        let GatewayAddress::Remote { gateway, listen } = gateway else {
            return Err(HostError::Unreachable("there is no gateway in this process".to_owned()));
        };
        let order = self.tokens.sign_order(&claims, *gateway, (self.clock)());
        let order = order.map_err(|error| HostError::Refused(error.to_string()))?;
        let request = self.client.post(url(listen, path)).bearer_auth(order.0).json(body);
        let response = request.send().await.map_err(|error| HostError::Unreachable(error.to_string()))?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let answer = response.text().await.unwrap_or_default();
        let answer: String = answer.chars().take(ANSWER_CHARS_MAX).collect();
        let error = format!("{status} {answer}");
        Err(if status == StatusCode::BAD_GATEWAY { HostError::Unreachable(error) } else { HostError::Refused(error) })
    }
}

/// A gateway announces an address or a URL.
fn url(listen: &str, path: &str) -> String {
    let listen = listen.trim_end_matches('/');
    if listen.contains("://") { format!("{listen}{path}") } else { format!("http://{listen}{path}") }
}

#[async_trait]
impl SlotHost for RemoteHost {
    async fn start(&self, gateway: &GatewayAddress, epoch: Epoch, start: Start) -> Result<(), HostError> {
        let claims = OrderClaims { org: start.organization_id, epoch };
        self.call(gateway, "/collab/start", claims, &start).await
    }

    async fn stop(&self, gateway: &GatewayAddress, organization_id: OrgId, epoch: Epoch) -> Result<(), HostError> {
        let claims = OrderClaims { org: organization_id, epoch };
        self.call(gateway, "/collab/stop", claims, &Order { organization_id }).await
    }

    async fn refresh(&self, gateway: &GatewayAddress, organization_id: OrgId, epoch: Epoch) -> Result<(), HostError> {
        let claims = OrderClaims { org: organization_id, epoch };
        self.call(gateway, "/collab/refresh", claims, &Order { organization_id }).await
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use orrery_protocol::{control::Token, id::GatewayId};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
        task::JoinHandle,
    };
    use uuid::Uuid;

    use super::*;
    use crate::clock;

    const GATEWAY: GatewayId = GatewayId(Uuid::from_u128(1));
    const ORG: OrgId = OrgId(Uuid::from_u128(2));
    const EPOCH: Epoch = Epoch(3);

    /// Answers one request with `answer`, and says what it was.
    async fn gateway(answer: &'static str) -> (SocketAddr, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = String::new();
            while !request.ends_with('}') {
                let mut bytes = [0; 1024];
                let read = socket.read(&mut bytes).await.unwrap();
                assert!(read > 0, "the request ends early: {request}");
                request.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
            }
            socket.write_all(answer.as_bytes()).await.unwrap();
            request
        });
        (address, asked)
    }

    fn host() -> (tempfile::TempDir, Arc<TokenKeys>, RemoteHost) {
        let data = tempfile::tempdir().unwrap();
        let tokens = Arc::new(TokenKeys::load_or_create(data.path()).unwrap());
        let host = RemoteHost::new(Arc::clone(&tokens), clock::system()).unwrap();
        (data, tokens, host)
    }

    fn at(address: SocketAddr) -> GatewayAddress {
        GatewayAddress::Remote { gateway: GATEWAY, listen: address.to_string() }
    }

    #[test]
    fn a_gateway_is_called_where_it_says_that_it_is() {
        assert_eq!(url("127.0.0.1:7101", "/collab/stop"), "http://127.0.0.1:7101/collab/stop");
        assert_eq!(url("https://gw-1.example.org/", "/collab/stop"), "https://gw-1.example.org/collab/stop");
    }

    #[tokio::test]
    async fn every_call_shows_an_order_for_that_gateway() {
        let (_data, tokens, host) = host();
        let start = Start { organization_id: ORG, handshake: Token("h".to_owned()) };
        for path in ["/collab/start", "/collab/stop", "/collab/refresh"] {
            let (address, asked) = gateway("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
            let done = match path {
                "/collab/start" => host.start(&at(address), EPOCH, start.clone()).await,
                "/collab/stop" => host.stop(&at(address), ORG, EPOCH).await,
                _ => host.refresh(&at(address), ORG, EPOCH).await,
            };
            assert_eq!(done, Ok(()), "{path}");
            let request = asked.await.unwrap();
            assert!(request.starts_with(&format!("POST {path} HTTP/1.1\r\n")), "{request}");
            assert!(request.contains(&ORG.to_string()), "{request}");
            let token = request.lines().find_map(|line| line.strip_prefix("authorization: Bearer ")).unwrap();
            let now = std::time::SystemTime::now();
            assert_eq!(tokens.verifying().order(token, GATEWAY, now), Ok(OrderClaims { org: ORG, epoch: EPOCH }));
        }
    }

    #[tokio::test]
    async fn a_refusal_is_not_silence() {
        let (_data, _tokens, host) = host();
        let refused = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nfull";
        let (address, _asked) = gateway(refused).await;
        let answer = host.stop(&at(address), ORG, EPOCH).await;
        assert_eq!(answer, Err(HostError::Refused("503 Service Unavailable full".to_owned())));
        let elsewhere = "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
        let (address, _asked) = gateway(elsewhere).await;
        let answer = host.stop(&at(address), ORG, EPOCH).await;
        assert!(matches!(answer, Err(HostError::Refused(_))), "the order goes nowhere else: {answer:?}");
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let silence = host.stop(&at(gone), ORG, EPOCH).await;
        assert!(matches!(silence, Err(HostError::Unreachable(_))), "{silence:?}");
        let local = host.stop(&GatewayAddress::Local { gateway: GATEWAY }, ORG, EPOCH).await;
        assert!(matches!(local, Err(HostError::Unreachable(_))), "{local:?}");
    }
}
