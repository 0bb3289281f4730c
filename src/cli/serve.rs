//! `twinprop serve`.

use std::net::{SocketAddr, TcpListener};

use clap::Args;

use crate::{Backend, BackendServer, Error, outln};

/// Arguments of `serve`.
#[derive(Args)]
pub struct Serve {
    /// Backend to serve: flex, ndarray, wgpu or cuda.
    #[arg(long, default_value = "flex")]
    backend: Backend,
    /// Address and port to listen on. Other machines reach 0.0.0.0 or a network address of this one, both of which
    /// need TWINPROP_TOKEN.
    #[arg(long, default_value = "127.0.0.1:3000", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
}

/// Serves the backend until Ctrl-C.
pub fn run(command: &Serve) -> Result<(), Error> {
    let listener = TcpListener::bind(command.listen)
        .map_err(|error| Error::Usage(format!("{}: {error}", command.listen)))?;
    let address = listener.local_addr().unwrap_or(command.listen);
    let server = BackendServer::new(&command.backend, listener)?;
    outln!("serving {} at remote:ws://{address}", command.backend);
    server.serve()
}
