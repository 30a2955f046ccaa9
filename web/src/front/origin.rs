//! Whether a request that a browser sends with its cookies comes from a page of the very container. Sibling hosts are of
//! the same site, so that browsers send cookies between them; they are not of the same origin.

use http::{HeaderMap, Method, Uri, header, uri::Authority};

use crate::{
    address::{Address, ContainerHost},
    authentication::is_safe,
    proxy::is_websocket,
};

/// A WebSocket says where it comes from, and so does, in a browser, what changes something. `is_same` says whether a host
/// leads to the same container.
pub(super) fn may_ask(
    method: &Method,
    headers: &HeaderMap,
    domain: &str,
    is_same: impl Fn(&ContainerHost) -> bool,
) -> bool {
    let websocket = is_websocket(headers);
    match headers.get(header::ORIGIN) {
        Some(origin) if websocket || !is_safe(method) => {
            origin.to_str().is_ok_and(|origin| is_own(origin, headers, domain, is_same))
        }
        Some(_) => true,
        None => !websocket,
    }
}

/// The host itself, or another service of its container at the same port.
fn is_own(origin: &str, headers: &HeaderMap, domain: &str, is_same: impl Fn(&ContainerHost) -> bool) -> bool {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    let origin = origin.parse::<Uri>().ok();
    let (Some(host), Some(origin)) = (host, origin.as_ref().and_then(Uri::authority)) else { return false };
    // Authorities know no case.
    *origin == host
        || origin.port_u16() == host.port_u16()
            && matches!(
                Address::of(Some(origin.as_str()), &Uri::from_static("/"), domain),
                Address::Container(asking) if is_same(&asking)
            )
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "uc-7000000000000000.org-018f4c1e-2b7a-7c3d-9e4f-5a6b7c8d9e0f.localhost:7000";

    fn check(method: &Method, websocket: bool, origin: Option<&str>, expect: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HOST.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        if websocket {
            headers.insert(header::CONNECTION, "upgrade".parse().unwrap());
            headers.insert(header::UPGRADE, "websocket".parse().unwrap());
        }
        let is_same = |asking: &ContainerHost| asking.name.starts_with("uc-7000000000000000");
        assert_eq!(
            may_ask(method, &headers, "localhost", is_same),
            expect,
            "{method} {origin:?} websocket: {websocket}"
        );
    }

    #[test]
    fn a_page_of_another_host_neither_opens_sockets_nor_changes_anything() {
        let own = format!("http://{HOST}");
        let service = own.replace(".org", "--web.org");
        for same in [&own, &service, &own.to_uppercase().replace("HTTP", "http")] {
            check(&Method::GET, true, Some(same), true);
            check(&Method::POST, false, Some(same), true);
        }
        for other in [
            "null".to_owned(),
            String::new(),
            "https://evil.test".to_owned(),
            "http://localhost:7000".to_owned(),
            own.replace("uc-7", "uc-8"),
            own.replace("7000", "7001"),
            service.replace("localhost:7000", "localhost"),
            service.replace("localhost", "evil.test"),
            own.replace("uc-7000000000000000.", ""),
        ] {
            check(&Method::GET, true, Some(&other), false);
            check(&Method::DELETE, false, Some(&other), false);
            check(&Method::GET, false, Some(&other), true);
        }
        check(&Method::GET, true, None, false);
        check(&Method::POST, false, None, true);
        check(&Method::GET, false, None, true);
    }
}
