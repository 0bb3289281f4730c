//! Who may look, and who may stop a run.
//!
//! - A page of another site that has its name point to this computer (DNS rebinding) sends its own name as `Host`: only
//!   addresses, `localhost` and this computer's names are served.
//! - A token is needed unless only this computer can connect. It comes in the page's address, then in a cookie of
//!   that page, or as `Authorization: Bearer`.
//! - A page of another site cannot stop a run: it has another `Origin`, and cannot set the header that the page sets.

use std::net::{IpAddr, SocketAddr};

use sha2::{Digest, Sha256};

use super::request::Request;
use crate::Error;
use crate::experiment::provenance::computer;

/// The header that a request to stop must have.
pub(super) const STOP_HEADER: &str = "x-twinprop";
/// Least letters of a token.
const SHORTEST_TOKEN: usize = 8;
/// Bytes of a generated token.
const TOKEN_BYTES: usize = 16;

/// Who may look, and who may stop a run.
#[derive(Clone, Debug)]
pub struct Access {
    token: Option<String>,
    /// Names that are served beside addresses.
    names: Vec<String>,
    port: u16,
}

/// A random token.
///
/// # Errors
/// [`Error::Usage`] if the system has no random numbers.
pub fn new_token() -> Result<String, Error> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::Usage(format!("no random numbers ({error}); name a --token")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

impl Access {
    /// Access to a server that listens at `address`: by `token`, or for everybody on this computer. `names` are
    /// further names of this computer.
    ///
    /// # Errors
    /// [`Error::Usage`] if the token is short or has letters that an address cannot have, or if it is missing and
    /// `address` can be reached from other computers.
    pub fn new(
        address: SocketAddr,
        token: Option<String>,
        names: &[String],
    ) -> Result<Self, Error> {
        if token.is_none() && !address.ip().is_loopback() {
            return Err(Error::Usage(format!(
                "{address} can be reached from other computers; name a token"
            )));
        }
        let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-._~".contains(letter);
        if let Some(token) = &token
            && (token.len() < SHORTEST_TOKEN || !token.chars().all(is_plain))
        {
            return Err(Error::Usage(format!(
                "the token needs at least {SHORTEST_TOKEN} letters, each of A-Z a-z 0-9 - . _ ~"
            )));
        }
        let own = computer().into_iter().chain(["localhost".to_owned()]);
        let names = own.chain(names.iter().cloned()).map(|name| name.to_ascii_lowercase());
        Ok(Self { token, names: names.collect(), port: address.port() })
    }

    /// The page's address for a person, at `address`.
    pub fn page(&self, address: SocketAddr) -> String {
        match &self.token {
            None => format!("http://{address}/"),
            Some(token) => format!("http://{address}/?token={token}"),
        }
    }

    /// Refuses a request, with the reason in words.
    pub fn check(&self, request: &Request) -> Result<(), String> {
        let host = request.header("host").unwrap_or_default();
        if !self.is_own(host) {
            return Err(format!(
                "`{host}` is not known as a name of this computer; use its address, or start `twinprop watch` with --host {}",
                name_of(host)
            ));
        }
        if !self.knows_token(request) {
            let words =
                "the token is missing or wrong; use the address that `twinprop watch` printed";
            return Err(words.to_owned());
        }
        if request.method != "GET" {
            let is_same = |origin: &str| {
                origin.split_once("://").is_some_and(|(_, from)| from.eq_ignore_ascii_case(host))
            };
            let is_own_page = request.header("origin").is_none_or(is_same);
            if !is_own_page || request.header(STOP_HEADER).is_none() {
                return Err("only the page itself can stop a run".to_owned());
            }
        }
        Ok(())
    }

    /// Whether `host` is an address, or a name of this computer. Nobody can have an address point elsewhere.
    fn is_own(&self, host: &str) -> bool {
        let name = name_of(host);
        name.parse::<IpAddr>().is_ok() || self.names.contains(&name)
    }

    fn knows_token(&self, request: &Request) -> bool {
        let Some(token) = &self.token else { return true };
        let in_header =
            request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let name = self.cookie_name();
        let cookies = request.header("cookie").unwrap_or_default().split("; ");
        let in_cookie = cookies
            .filter_map(|cookie| cookie.split_once('='))
            .find_map(|(key, value)| (key == name).then_some(value));
        let given = [request.query("token"), in_header, in_cookie];
        given.into_iter().flatten().any(|given| is_equal(given, token))
    }

    /// Cookies are sent to all ports of a computer.
    fn cookie_name(&self) -> String {
        format!("twinprop-{}", self.port)
    }

    /// The cookie that lets a page be loaded again; `None` without a token.
    pub fn cookie(&self) -> Option<String> {
        let token = self.token.as_ref()?;
        Some(format!("{}={token}; Path=/; HttpOnly; SameSite=Strict", self.cookie_name()))
    }
}

/// `host` in small letters, without its port and the brackets of an address.
fn name_of(host: &str) -> String {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    name.to_ascii_lowercase()
}

/// Whether the two are equal, in a time that does not depend on where they differ: the sums that are compared cannot be
/// chosen.
fn is_equal(given: &str, token: &str) -> bool {
    let (given, token) = (Sha256::digest(given), Sha256::digest(token));
    given.iter().zip(token.iter()).fold(0, |differs, (one, other)| differs | (one ^ other)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(access: &Access, method: &str, path: &str, headers: &[(&str, &str)]) -> bool {
        let headers: String =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("{method} {path} HTTP/1.1\r\n{headers}\r\n");
        let request = Request::parse(head.as_bytes()).expect("no damage").expect("it is complete");
        access.check(&request).is_ok()
    }

    #[test]
    fn only_addresses_and_own_names_are_served() {
        let address = "127.0.0.1:7391".parse().expect("an address");
        let access = Access::new(address, None, &["Wall.lab".to_owned()]).expect("loopback");
        for host in ["localhost:7391", "127.0.0.1", "[::1]:80", "10.0.0.7:1", "wall.lab:7391"] {
            assert!(checked(&access, "GET", "/", &[("host", host)]), "{host}");
        }
        for host in ["evil.example:7391", "localhost.evil.example", ""] {
            assert!(!checked(&access, "GET", "/", &[("host", host)]), "{host}");
        }
    }

    #[test]
    fn another_site_cannot_stop_a_run() {
        let address = "127.0.0.1:7391".parse().expect("an address");
        let access = Access::new(address, None, &[]).expect("loopback");
        let post = |headers: &[_]| checked(&access, "POST", "/stop", headers);
        let (host, own) = (("host", "localhost:7391"), (STOP_HEADER, "stop"));
        assert!(post(&[host, own]));
        assert!(post(&[host, own, ("origin", "http://localhost:7391")]));
        assert!(!post(&[host]), "a form of another site cannot set the header");
        assert!(!post(&[host, own, ("origin", "http://localhost:8000")]));
        assert!(!post(&[host, own, ("origin", "null")]));
    }

    #[test]
    fn a_token_comes_in_the_address_a_header_or_a_cookie() {
        let address = "0.0.0.0:7391".parse().expect("an address");
        assert!(Access::new(address, None, &[]).is_err());
        assert!(Access::new(address, Some("short".to_owned()), &[]).is_err());
        let token = new_token().expect("random numbers");
        let access = Access::new(address, Some(token.clone()), &[]).expect("a good token");
        let host = ("host", "10.0.0.7:7391");
        let get = |path: &str, more: (&str, &str)| checked(&access, "GET", path, &[host, more]);
        let none = ("accept", "*/*");
        assert!(!get("/", none) && !get("/?token=", none) && !get("/?token=wrong", none));
        assert!(get(&format!("/?token={token}"), none));
        assert!(get("/", ("authorization", &format!("Bearer {token}"))));
        let cookie = access.cookie().expect("with a token");
        let cookie = cookie.split(';').next().expect("its first part");
        assert!(get("/events", ("cookie", &format!("a=b; {cookie}"))));
        assert!(!get("/events", ("cookie", &cookie.replace("7391", "7392"))));
    }
}
