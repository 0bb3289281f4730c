//! A backend that another machine lends: burn's remote backend over WebSocket, which is not encrypted. A
//! token keeps strangers of the same network off, not those who read its traffic.

use std::net::TcpListener;

use burn::server::{RemoteServer, TokenAuthorizer, WebSocketTransport};
use burn::tensor::Device;
use burn::tensor::remote::RemoteHost;

use super::Backend;
use crate::Error;

/// The environment variable with what a lent backend asks of those whom it serves, if it is set.
pub const TOKEN: &str = "TWINPROP_TOKEN";

/// Connects the device that is lent at `address`, such as `ws://gpu:3000`.
pub(super) fn connect(address: &str) -> Result<Device, Error> {
    let mut host = RemoteHost::websocket(address);
    if let Ok(token) = std::env::var(TOKEN) {
        host = host.with_credential(token);
    }
    Device::remote_options(&host).init().map_err(|error| {
        Error::Usage(format!(
            "remote:{address}: {error}; is `twinprop serve` running there, and {TOKEN} the same on both sides?"
        ))
    })
}

/// Lends `backend` to all who connect to `listener` until Ctrl-C.
///
/// # Errors
/// [`Error::Usage`] where the backend is not built in or cannot be lent, or the token is empty.
pub fn lend(backend: &Backend, listener: TcpListener) -> Result<(), Error> {
    let mut server = RemoteServer::new([backend.device()?]);
    if let Ok(token) = std::env::var(TOKEN) {
        let authorizer = TokenAuthorizer::new(token)
            .map_err(|error| Error::Usage(format!("{TOKEN}: {error}")))?;
        server = server.with_authorizer(authorizer);
    }
    server
        .serve(WebSocketTransport::from_listener(listener))
        .map_err(|error| Error::Usage(format!("the backend cannot be lent: {error}")))
}
