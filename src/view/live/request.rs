//! The head of a request, and the heads of answers (RFC 9112).

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Time in which the head of a request must arrive.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// Largest head of a request in bytes, and most headers.
const LARGEST_HEAD: usize = 16 * 1024;
const MOST_HEADERS: usize = 64;

/// A request without its body.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    pub method: String,
    pub path: String,
    query: String,
    headers: Vec<(String, String)>,
}

impl Request {
    /// Reads a request's head; a body is not read.
    ///
    /// # Errors
    /// Of the connection, and if the head is late, too large or damaged.
    pub fn read(stream: &mut TcpStream) -> io::Result<Self> {
        let end = Instant::now() + HEAD_WITHIN;
        let mut head = Vec::new();
        let mut piece = [0; 2048];
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || head.len() > LARGEST_HEAD {
                return Err(io::ErrorKind::InvalidData.into());
            }
            stream.set_read_timeout(Some(left))?;
            match stream.read(&mut piece)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => head.extend_from_slice(&piece[..count]),
            }
            if let Some(request) = Self::parse(&head)? {
                return Ok(request);
            }
        }
    }

    /// The request whose head begins `bytes`; `None` if the head is not complete.
    pub fn parse(bytes: &[u8]) -> io::Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut head = httparse::Request::new(&mut headers);
        let status = head.parse(bytes).map_err(|_| io::ErrorKind::InvalidData)?;
        if status.is_partial() {
            return Ok(None);
        }
        let target = head.path.unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let header = |header: &httparse::Header| {
            let value = String::from_utf8_lossy(header.value).into_owned();
            (header.name.to_ascii_lowercase(), value)
        };
        Ok(Some(Self {
            method: head.method.unwrap_or_default().to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers: head.headers.iter().map(header).collect(),
        }))
    }

    /// The value of the header `name`, which is in small letters; `None` also if it is there twice.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(key, _)| key == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }

    /// The value of `name` in the query, as it is written there.
    pub fn query(&self, name: &str) -> Option<&str> {
        let mut pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
    }
}

/// Status, kind and further headers of an answer.
pub struct Answer<'a> {
    /// Code and words, such as `200 OK`.
    pub status: &'a str,
    /// Its media type.
    pub kind: &'a str,
    /// Further lines of its head.
    pub more: &'a [(&'a str, &'a str)],
}

impl Answer<'_> {
    /// Writes the head; `length` is that of the body, or `None` for a body without an end.
    pub fn write_head(&self, stream: &mut impl Write, length: Option<usize>) -> io::Result<()> {
        let Self { status, kind, more } = self;
        let mut head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n"
        );
        for (name, value) in *more {
            head += &format!("{name}: {value}\r\n");
        }
        if let Some(length) = length {
            head += &format!("Content-Length: {length}\r\n");
        }
        stream.write_all((head + "\r\n").as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_soon_as_it_is_complete() {
        let text = b"POST /stop?run=a1&token=b%20 HTTP/1.1\r\nHost: here\r\nX-One: 1\r\nx-one: 2\r\n\r\nbody";
        let head = text.len() - "body".len();
        for end in 0..head {
            assert_eq!(Request::parse(&text[..end]).expect("no damage"), None, "{end}");
        }
        let request = Request::parse(text).expect("no damage").expect("it is complete");
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/stop"));
        assert_eq!((request.query("run"), request.query("token")), (Some("a1"), Some("b%20")));
        assert_eq!((request.query("none"), request.header("host")), (None, Some("here")));
        assert_eq!(request.header("x-one"), None, "two values are ambiguous");
        assert!(Request::parse(b"\0\0\0\0").is_err());
    }
}
