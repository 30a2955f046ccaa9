//! Where a message ends is said anew on each connection.

use super::*;

/// What the other process hears of a request, its body of so many bytes included.
async fn heard(request: &str, body_bytes: usize) -> String {
    let (behind, address) = Behind::listen().await;
    let front = Front::before(address);
    let mut client = front.connect().await;
    client.write_all(request.as_bytes()).await.unwrap();
    let (mut upstream, head) = behind.accept().await;
    let body = String::from_utf8(exactly(&mut upstream, body_bytes).await).unwrap();
    upstream.write_all(NOTHING).await.unwrap();
    assert!(super::head(&mut client).await.starts_with("HTTP/1.1 200 "));
    front.stop().await;
    head + &body
}

/// What a client hears of an answer after which the other process closes.
async fn told(answer: &str) -> String {
    let (behind, address) = Behind::listen().await;
    let front = Front::before(address);
    let mut client = front.ask("GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n").await;
    let (mut upstream, _) = behind.accept().await;
    upstream.write_all(answer.as_bytes()).await.unwrap();
    drop(upstream);
    let told = String::from_utf8(rest(&mut client).await).unwrap();
    front.stop().await;
    told
}

#[tokio::test]
async fn a_body_of_no_length_goes_along_with_every_method() {
    const BODY: &str = "4\r\nfind\r\n0\r\n\r\n";
    for method in ["GET", "POST", "DELETE", "QUERY"] {
        let request = format!("{method} / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n{BODY}");
        let heard = heard(&request, BODY.len()).await;
        assert!(has(&heard, "transfer-encoding: chunked") && heard.ends_with(BODY), "{heard}");
    }
    let none = heard("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n", 0).await;
    assert!(!none.contains("transfer-encoding") && !none.contains("content-length"), "{none}");
}

#[tokio::test]
async fn a_request_that_says_two_lengths_is_passed_on_with_the_one_that_counts() {
    const BODY: &str = "4\r\nfind\r\n0\r\n\r\n";
    let request = "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n";
    let heard = heard(&format!("{request}{BODY}"), BODY.len()).await;
    assert!(has(&heard, "transfer-encoding: chunked") && heard.ends_with(BODY), "{heard}");
    assert!(!heard.contains("content-length"), "{heard}");
}

#[tokio::test]
async fn an_answer_that_says_two_lengths_is_passed_on_with_the_one_that_counts() {
    let coded = "transfer-encoding: chunked\r\n\r\n5\r\nfound\r\n0\r\n\r\n";
    for length in ["2", "200", "many"] {
        let told = told(&format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n{coded}")).await;
        assert!(told.starts_with("HTTP/1.1 200 ") && told.ends_with("5\r\nfound\r\n0\r\n\r\n"), "{told}");
        assert!(!told.contains("content-length"), "{told}");
    }
}

#[tokio::test]
async fn what_an_older_process_answers_is_told_as_we_speak() {
    let sized = told("HTTP/1.0 404 Not Found\r\ncontent-length: 2\r\n\r\nno").await;
    assert!(sized.starts_with("HTTP/1.1 404 ") && sized.ends_with("\r\n\r\nno"), "{sized}");
    let open = told("HTTP/1.0 200 OK\r\n\r\nfound").await;
    assert!(open.starts_with("HTTP/1.1 200 ") && has(&open, "transfer-encoding: chunked"), "{open}");
    assert!(open.ends_with("5\r\nfound\r\n0\r\n\r\n"), "{open}");
}

#[tokio::test]
async fn an_older_process_does_not_cost_the_client_its_connection() {
    let (behind, address) = Behind::listen().await;
    let front = Front::before(address);
    let mut client = front.connect().await;
    for _ in 0..2 {
        client.write_all(ASK).await.unwrap();
        let (mut upstream, _) = behind.accept().await;
        upstream.write_all(b"HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nyes").await.unwrap();
        let answered = head(&mut client).await;
        assert!(answered.starts_with("HTTP/1.1 200 ") && !has(&answered, "connection: close"), "{answered}");
        assert_eq!(exactly(&mut client, 3).await, b"yes");
    }
    front.stop().await;
}
