//! `twinprop serve`.

use std::net::{SocketAddr, TcpListener};

use clap::Args;
use twinprop::outln;
use twinprop::{Backend, Error, lend};

/// Arguments of `serve`.
#[derive(Args)]
pub struct Serve {
    /// The backend that is lent: flex, ndarray or wgpu.
    #[arg(long, default_value = "flex")]
    backend: Backend,
    /// Address and port to listen on; from another machine only 0.0.0.0 or an address of this one is reached.
    #[arg(long, default_value = "127.0.0.1:3000", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
}

/// Lends the backend until Ctrl-C.
pub fn run(command: &Serve) -> Result<(), Error> {
    let listener = TcpListener::bind(command.listen)
        .map_err(|error| Error::Usage(format!("{}: {error}", command.listen)))?;
    let address = listener.local_addr().unwrap_or(command.listen);
    outln!("lending {} at remote:ws://{address}", command.backend);
    lend(&command.backend, listener)
}
