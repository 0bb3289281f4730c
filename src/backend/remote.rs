//! The backend of another machine: burn's remote backend over an unencrypted WebSocket. burn sends its credential
//! in clear text. The credential is derived from the token, but does not reveal the token, which devices ask for as
//! well. It keeps strangers on the same network off a backend, but not anyone who can read the traffic: where that
//! is a danger, listen on 127.0.0.1 and connect through SSH.

use std::net::TcpListener;

use burn::server::{RemoteServer, TokenAuthorizer, WebSocketTransport};
use burn::tensor::Device;
use burn::tensor::remote::RemoteHost;
use twinprop_devices::rig::Token;
use twinprop_devices::rig::listener::require_token;
use twinprop_devices::rig::token::TOKEN_VARIABLE;

use super::Backend;
use crate::Error;

/// Connects to the device that is served at `address`, such as `ws://gpu:3000`.
pub(super) fn connect(address: &str) -> Result<Device, Error> {
    let mut server = RemoteHost::websocket(address);
    if let Some(token) = Token::from_environment().map_err(Error::Usage)? {
        server = server.with_credential(token.backend_credential());
    }
    Device::remote_options(&server).init().map_err(|error| {
        Error::Usage(format!(
            "remote:{address}: {error}; is `twinprop serve` running there, and {TOKEN_VARIABLE} the same on both sides?"
        ))
    })
}

/// A server of a backend for trainings on other machines.
pub struct BackendServer {
    server: RemoteServer,
    listener: TcpListener,
}

impl BackendServer {
    /// Serves `backend` to all who connect to `listener` and, if [`TOKEN_VARIABLE`] is set, know the token.
    ///
    /// # Errors
    /// [`Error::Usage`] if the backend is not built in, if the token is too short, or if it is missing although other
    /// machines can reach the listener's address.
    pub fn new(backend: &Backend, listener: TcpListener) -> Result<Self, Error> {
        let token = Token::from_environment().map_err(Error::Usage)?;
        let address = listener.local_addr().map_err(|error| Error::Usage(error.to_string()))?;
        require_token(address, token.as_ref(), "compute on this machine").map_err(Error::Usage)?;
        let mut server = RemoteServer::new([backend.device()?]);
        if let Some(token) = token {
            let authorizer = TokenAuthorizer::new(token.backend_credential())
                .map_err(|error| Error::Usage(format!("{TOKEN_VARIABLE}: {error}")))?;
            server = server.with_authorizer(authorizer);
        }
        Ok(Self { server, listener })
    }

    /// Serves until the program ends.
    ///
    /// # Errors
    /// [`Error::Usage`] if the backend cannot be served.
    pub fn serve(self) -> Result<(), Error> {
        self.server
            .serve(WebSocketTransport::from_listener(self.listener))
            .map_err(|error| Error::Usage(format!("the backend cannot be served: {error}")))
    }
}
