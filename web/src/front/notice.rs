//! What people and programs are told instead of what they asked for: a page without script, or the error body. Names of
//! containers are people's text and are escaped.

use std::{fmt::Write as _, sync::LazyLock};

use aws_lc_rs::digest::{SHA256, digest};
use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, Method, header};
use orrery_protocol::route::Lead;

use super::{does, is_recent, phase_error};
use crate::{
    envelope::Page,
    error::{ApiError, ErrorCode},
    state::EdgeConfig,
};

const STYLE: &str = include_str!("notice/notice.css");

/// The browser client's.
const MARK: &str = include_str!("../../ui/src/design/mark.svg");

/// Only the page's own style sheet, named by its digest.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let style = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).expect("base64 is visible ASCII")
});

/// Why there is nothing else to see.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Notice {
    error: Box<ApiError>,
    title: String,
    text: String,
    link: Option<Link>,
    /// The page asks again by itself.
    reload_s: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Link {
    to: String,
    text: &'static str,
}

/// Whether a request comes from somebody who looks at the answer.
pub(crate) fn wants_page(method: &Method, headers: &HeaderMap) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
        && headers.get_all(header::ACCEPT).into_iter().any(|accepted| {
            let page = b"text/html";
            accepted.as_bytes().windows(page.len()).any(|said| said.eq_ignore_ascii_case(page))
        })
}

/// Where the control plane is, for whoever looks at what a request is answered.
pub(crate) fn reader_home(edge: &EdgeConfig, request: &Request) -> Option<String> {
    let headers = request.headers();
    wants_page(request.method(), headers).then(|| format!("{}/", edge.platform(headers.get(header::HOST))))
}

impl Notice {
    /// A refusal in words for people.
    pub(crate) fn of(error: ApiError) -> Self {
        let (title, reload_s) = match error.code() {
            ErrorCode::NotFound => ("There is nothing here", None),
            ErrorCode::Forbidden => ("This is not open to you", None),
            ErrorCode::AuthenticationFailed => ("Sign in first", None),
            ErrorCode::Unavailable("GATEWAY_NOT_RUNNING") => ("This organization is asleep", None),
            ErrorCode::Unavailable("GATEWAY_MOVING") => ("One moment", Some(2)),
            ErrorCode::Unavailable(_) => ("Not available at the moment", Some(5)),
            ErrorCode::RateLimited => ("Too much at once", None),
            ErrorCode::InvalidInput
            | ErrorCode::UnknownCommand
            | ErrorCode::MethodNotAllowed
            | ErrorCode::Conflict
            | ErrorCode::StaleEpoch
            | ErrorCode::TooLarge
            | ErrorCode::UnsupportedMediaType
            | ErrorCode::NoCapacity => ("This cannot be done", None),
            ErrorCode::Internal => ("Something went wrong on our side", None),
        };
        let text = if error.code() == ErrorCode::NotFound {
            "No container answers at this address, or it is not yours to see.".to_owned()
        } else if error.code() == ErrorCode::Unavailable("GATEWAY_NOT_RUNNING") {
            "Open one of its projects in Orrery; its containers can be reached as soon as the project is started."
                .to_owned()
        } else {
            sentence(error.message())
        };
        Self { error: Box::new(error), title: title.to_owned(), text, link: None, reload_s }
    }

    /// The container does not run, or does not answer. Only who may enter, and is told where its `board` is, learns its name
    /// and what became of it.
    pub(super) fn of_phase(lead: &Lead, board: Option<&str>) -> Self {
        let error = Box::new(phase_error(lead.phase));
        let reload_s = error.retry_after_s();
        let reason = lead.reason.as_ref().filter(|_| board.is_some());
        let text = reason.map(|reason| sentence(&reason.text)).unwrap_or_default();
        Self { error, title: title(lead, does(lead.phase), board), text, link: None, reload_s }.with_board(board)
    }

    /// The container should run, and nobody is there: it has only just begun, or something is wrong with it. Told in full to
    /// who knows where its `board` is.
    pub(super) fn unreachable(lead: &Lead, board: Option<&str>) -> Self {
        let error = ApiError::new(ErrorCode::Unavailable("UPSTREAM_UNREACHABLE"), "the container does not answer");
        let (does, text, reload_s) = if is_recent(lead.since_ms) {
            ("is starting", "Its service does not listen yet.", 2)
        } else {
            ("does not answer", "Nothing listens where its service should be.", 5)
        };
        let error = Box::new(error.retry_after(reload_s));
        Self { error, title: title(lead, does, board), text: text.to_owned(), link: None, reload_s: Some(reload_s) }
            .with_board(board)
    }

    /// The same with somewhere to go.
    pub(super) fn with_link(self, to: &str, text: &'static str) -> Self {
        Self { link: Some(Link { to: to.to_owned(), text }), ..self }
    }

    /// The same with the way to the project's board, for who may know where it is.
    pub(super) fn with_board(self, board: Option<&str>) -> Self {
        match board {
            Some(board) => self.with_link(board, "Go to the board"),
            None => self,
        }
    }

    /// For people, who are told where the control plane is (`home`); for programs if there is nobody to tell.
    pub(crate) fn answer(self, home: Option<&str>) -> Response {
        match home {
            Some(home) => self.page(home),
            None => (*self.error).into_response(),
        }
    }

    /// For people.
    pub(crate) fn page(self, home: &str) -> Response {
        let notice = self.leading(home);
        let body = notice.html();
        let mut response = (*notice.error).into_response();
        response.extensions_mut().remove::<ApiError>();
        response.extensions_mut().insert(Page);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(header::CONTENT_SECURITY_POLICY, POLICY.clone());
        *response.body_mut() = body.into();
        response
    }

    /// The same with the way `home`, if it leads nowhere else and there is nothing to wait for.
    fn leading(self, home: &str) -> Self {
        if self.link.is_some() || self.reload_s.is_some() { self } else { self.with_link(home, "Go to Orrery") }
    }

    fn html(&self) -> String {
        let title = escaped(&self.title);
        let mut html = String::from("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        html.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        html.push_str("<meta name=\"color-scheme\" content=\"light dark\">\n");
        if let Some(seconds) = self.reload_s {
            writeln!(html, "<meta http-equiv=\"refresh\" content=\"{seconds}\">").expect(IN_MEMORY);
        }
        write!(html, "<title>{title} – Orrery</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n")
            .expect(IN_MEMORY);
        writeln!(html, "<p class=\"brand\"><span aria-hidden=\"true\">{MARK}</span>Orrery</p>").expect(IN_MEMORY);
        writeln!(html, "<h1>{title}</h1>").expect(IN_MEMORY);
        if !self.text.is_empty() {
            writeln!(html, "<p>{}</p>", escaped(&self.text)).expect(IN_MEMORY);
        }
        if self.reload_s.is_some() {
            html.push_str("<p class=\"again\">This page looks again by itself.</p>\n");
        }
        if let Some(Link { to, text }) = &self.link {
            writeln!(html, "<p><a href=\"{}\">{text}</a></p>", escaped(to)).expect(IN_MEMORY);
        }
        html.push_str("</main>\n</body>\n</html>\n");
        html
    }
}

const IN_MEMORY: &str = "writing to memory cannot fail";

impl From<ApiError> for Notice {
    fn from(error: ApiError) -> Self {
        Self::of(error)
    }
}

/// Only who is told where the board is learns a container's name.
fn title(lead: &Lead, does: &str, board: Option<&str>) -> String {
    let name = if board.is_some() { lead.name.as_str() } else { "The container" };
    format!("{name} {does}")
}

/// A message of ours as a sentence of its own.
fn sentence(message: &str) -> String {
    let mut chars = message.chars();
    let Some(first) = chars.next() else { return String::new() };
    let end = if message.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{}{}{end}", first.to_uppercase(), chars.as_str())
}

/// Text as it stands in HTML, within an element or an attribute's quotes.
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            _ => html.push(char),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use orrery_protocol::{
        container::{Phase, Reason, ReasonCode},
        id::{ContainerId, ProjectId},
    };
    use uuid::Uuid;

    use super::*;

    fn lead(phase: Phase) -> Lead {
        Lead {
            project: ProjectId(Uuid::from_u128(1)),
            container: ContainerId::from_random(7),
            name: "<script>alert('x')</script> & \"co\"".parse().unwrap(),
            service: None,
            phase,
            since_ms: 0,
            reason: Some(Reason { code: ReasonCode::Exited, text: "exit code 1 <b>".to_owned() }),
            public_paths: Vec::new(),
            upstream: None,
        }
    }

    #[test]
    fn what_people_named_things_is_text() {
        let html = Notice::of_phase(&lead(Phase::Failed), Some("http://localhost/projects/1/board")).html();
        assert!(!html.contains("<script>") && !html.contains("<b>") && !html.contains("\"co\""), "{html}");
        assert!(
            html.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &quot;co&quot; has failed"),
            "{html}"
        );
        assert!(html.contains("Exit code 1 &lt;b&gt;."), "{html}");
        assert!(html.contains("href=\"http://localhost/projects/1/board\""), "{html}");
    }

    #[test]
    fn who_is_not_known_learns_nothing_but_that() {
        for &phase in Phase::ALL {
            let html = Notice::of_phase(&lead(phase), None).html();
            assert!(!html.contains("script") && !html.contains("exit code"), "{html}");
        }
    }

    #[test]
    fn what_starts_is_looked_at_again() {
        let reloads = |phase| Notice::of_phase(&lead(phase), None).reload_s;
        assert_eq!(
            [reloads(Phase::Pending), reloads(Phase::Starting), reloads(Phase::Stopped)],
            [Some(2), Some(2), None]
        );
        let html = Notice::of_phase(&lead(Phase::Starting), None).html();
        assert!(html.contains("<meta http-equiv=\"refresh\" content=\"2\">"), "{html}");
        let html = Notice::of_phase(&lead(Phase::Stopped), None).html();
        assert!(!html.contains("refresh"), "{html}");
    }

    #[test]
    fn a_page_leads_somewhere_or_looks_again() {
        let leads_to = |notice: Notice, to: &str| {
            let html = notice.html();
            assert_eq!(html.matches("href=").count(), 1, "{html}");
            assert!(html.contains(&format!("href=\"{to}\"")), "{html}");
        };
        let home = "https://orrery.example/";
        let at_home = |notice: Notice| notice.leading(home);
        leads_to(at_home(Notice::of(ApiError::not_found())), home);
        leads_to(at_home(Notice::of_phase(&lead(Phase::Stopped), None)), home);
        leads_to(at_home(Notice::of_phase(&lead(Phase::Stopped), Some("/board"))), "/board");
        leads_to(at_home(Notice::of_phase(&lead(Phase::Starting), Some("/board"))), "/board");
        let html = at_home(Notice::of_phase(&lead(Phase::Starting), None)).html();
        assert!(!html.contains("href") && html.contains("looks again by itself"), "{html}");
    }

    #[test]
    fn pages_are_for_who_looks_at_them() {
        let check = |method: Method, accept: Option<&'static str>, expect| {
            let headers = accept.map(|accept| (header::ACCEPT, HeaderValue::from_static(accept)));
            assert_eq!(wants_page(&method, &headers.into_iter().collect()), expect, "{method} {accept:?}");
        };
        check(Method::GET, Some("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"), true);
        check(Method::HEAD, Some("Text/HTML"), true);
        check(Method::GET, Some("*/*"), false);
        check(Method::GET, Some("application/json"), false);
        check(Method::GET, None, false);
        check(Method::POST, Some("text/html"), false);
    }
}
