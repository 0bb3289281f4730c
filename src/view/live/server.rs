//! The server: one page, its events, and requests to stop.
//!
//! | request | answer |
//! |---|---|
//! | `GET /` | the page, which loads nothing else |
//! | `GET /events` | server-sent events: first all runs, then those that change |
//! | `GET /runs` | the first of these events, as JSON |
//! | `POST /stop?run=ID` | the run stops after its present step, with a checkpoint |

use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::access::Access;
use super::folders::Folders;
use super::follower::{Follower, Sent};
use super::request::{Answer, Request};
use crate::Error;
use crate::experiment::live::request_stop;
use crate::report::for_command_line;

/// Most connections at a time, each of which has a thread.
const MOST_CONNECTIONS: usize = 200;
/// Time between two signs of life to a page.
const SIGN_OF_LIFE_EVERY: Duration = Duration::from_secs(10);
/// Time after which a page that reads nothing is gone.
const SLOWEST_PAGE: Duration = Duration::from_secs(20);
/// What the page may do: nothing but show itself and ask this server. Notebooks of this computer may frame it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self' http://localhost:* http://127.0.0.1:* vscode-webview:";

/// The page.
fn page() -> String {
    include_str!("page/page.html")
        .replace("/*STYLE*/", include_str!("page/style.css"))
        .replace("/*CHARTS*/", include_str!("page/charts.js"))
        .replace("/*PARTS*/", include_str!("page/parts.js"))
        .replace("/*SCRIPT*/", include_str!("page/page.js"))
}

/// What all connections share.
struct Server {
    page: String,
    access: Access,
    follower: Arc<Follower>,
    connections: AtomicUsize,
}

/// Serves the live view of the runs in `folders` on `listener`, to those with `access`, until the process ends.
pub fn serve(listener: &TcpListener, folders: Folders, access: Access) -> ! {
    let follower = Follower::start(folders);
    let server = Server { page: page(), access, follower, connections: AtomicUsize::new(0) };
    let server = Arc::new(server);
    loop {
        let Ok((stream, _)) = listener.accept() else {
            // Too many open files, or a connection that was closed before it was taken.
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        let server = Arc::clone(&server);
        let connection = move || {
            if server.connections.fetch_add(1, Ordering::Relaxed) < MOST_CONNECTIONS {
                // A connection that breaks concerns nobody else.
                let _ = server.answer(stream);
            }
            server.connections.fetch_sub(1, Ordering::Relaxed);
        };
        // Without a thread the connection is closed, and the page tries again.
        let _ = thread::Builder::new().name("live page".to_owned()).spawn(connection);
    }
}

impl Server {
    fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(SLOWEST_PAGE))?;
        let request = Request::read(&mut stream)?;
        if let Err(reason) = self.access.check(&request) {
            return text(&mut stream, "403 Forbidden", &reason);
        }
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/") => {
                let mut more = vec![("Content-Security-Policy", POLICY)];
                let cookie = self.access.cookie();
                more.extend(cookie.as_deref().map(|cookie| ("Set-Cookie", cookie)));
                let answer =
                    Answer { status: "200 OK", kind: "text/html; charset=utf-8", more: &more };
                answer.write_head(&mut stream, Some(self.page.len()))?;
                stream.write_all(self.page.as_bytes())
            }
            ("GET", "/runs") => {
                let runs = self.follower.next(&mut Sent::default(), Duration::ZERO);
                let runs = runs.as_deref().unwrap_or_default();
                let answer = Answer { status: "200 OK", kind: "application/json", more: &[] };
                answer.write_head(&mut stream, Some(runs.len()))?;
                stream.write_all(runs.as_bytes())
            }
            ("GET", "/events") => self.send_events(&mut stream),
            ("POST", "/stop") => self.stop(&mut stream, &request),
            ("GET" | "POST", _) => text(&mut stream, "404 Not Found", "there is only the page /"),
            _ => text(&mut stream, "405 Method Not Allowed", "only GET and POST"),
        }
    }

    /// Sends events until the page is gone.
    fn send_events(&self, stream: &mut TcpStream) -> io::Result<()> {
        let answer = Answer { status: "200 OK", kind: "text/event-stream", more: &[] };
        answer.write_head(stream, None)?;
        let folders = serde_json::json!(self.follower.in_words());
        stream.write_all(format!("retry: 2000\nevent: folders\ndata: {folders}\n\n").as_bytes())?;
        let mut sent = Sent::default();
        loop {
            match self.follower.next(&mut sent, SIGN_OF_LIFE_EVERY) {
                Some(json) => {
                    for part in ["data: ", &json, "\n\n"] {
                        stream.write_all(part.as_bytes())?;
                    }
                }
                None => stream.write_all(b"event: alive\ndata: 1\n\n")?,
            }
        }
    }

    fn stop(&self, stream: &mut TcpStream, request: &Request) -> io::Result<()> {
        let folder = request.query("run").and_then(|id| self.follower.folder_of(id));
        let Some(folder) = folder else {
            return text(stream, "404 Not Found", "there is no such run");
        };
        match request_stop(&folder) {
            Ok(()) => text(
                stream,
                "202 Accepted",
                "the run stops after its present step, with a checkpoint",
            ),
            Err(error @ Error::Usage(_)) => text(stream, "409 Conflict", &error.to_string()),
            Err(error) => text(stream, "500 Internal Server Error", &error.to_string()),
        }
    }
}

/// Writes an answer of a line.
fn text(stream: &mut TcpStream, status: &str, line: &str) -> io::Result<()> {
    let line = for_command_line(line) + "\n";
    Answer { status, kind: "text/plain; charset=utf-8", more: &[] }
        .write_head(stream, Some(line.len()))?;
    stream.write_all(line.as_bytes())
}
