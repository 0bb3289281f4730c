//! `twinprop watch`.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use clap::Args;

use super::ending::make_safe_on_interrupt;
use crate::view::live::{Access, Folders, new_token, serve};
use crate::{Error, outln};

/// Where the page is by default; the next free port if that is taken.
const DEFAULT: &str = "127.0.0.1:7391";

/// Arguments of `watch`.
#[derive(Args)]
pub struct Watch {
    /// Folders of runs, or folders with runs in them; new runs appear on the page.
    #[arg(default_value = "runs", value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// Address of the page; port 0 takes a free port. An address that other computers reach, such as 0.0.0.0:7391, needs a
    /// token. [default: 127.0.0.1:7391]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Token that the page asks for; by default a random one where other computers reach the page, else none.
    #[arg(long)]
    token: Option<String>,
    /// Additional host name of this computer that the page's address may contain; repeatable.
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
}

/// Serves the page until Ctrl-C.
pub fn run(command: &Watch) -> Result<(), Error> {
    let folders = Folders::new(&command.runs)?;
    let listener = listen(command.listen)?;
    let address = listener.local_addr().map_err(|error| cannot_listen(error.to_string()))?;
    let token = match &command.token {
        None if !address.ip().is_loopback() => Some(new_token()?),
        given => given.clone(),
    };
    let access = Access::new(address, token, &command.host)?;
    make_safe_on_interrupt()?;
    outln!("live view: {} (Ctrl-C ends it; the runs continue)", access.page(address));
    if address.ip().is_unspecified() {
        outln!(
            "from other computers: with this computer's address or name in the place of {}",
            address.ip()
        );
    }
    serve(&listener, folders, access)
}

fn listen(wanted: Option<SocketAddr>) -> Result<TcpListener, Error> {
    if let Some(address) = wanted {
        return TcpListener::bind(address)
            .map_err(|error| cannot_listen(format!("{address}: {error}")));
    }
    match TcpListener::bind(DEFAULT) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => TcpListener::bind("127.0.0.1:0"),
        bound => bound,
    }
    .map_err(|error| cannot_listen(format!("{DEFAULT}: {error}")))
}

fn cannot_listen(problem: String) -> Error {
    Error::Usage(format!("{problem}; name another address with --listen"))
}
