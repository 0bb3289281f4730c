//! The backend of another machine: burn's remote backend over WebSocket, which is not encrypted. burn sends
//! its credential as it is. It is derived from the token, and tells nothing of the token itself, which
//! devices ask for as well. So it keeps strangers of the same network off a backend, and not those who read
//! its traffic: where these are a danger, listen on 127.0.0.1 and go through SSH.

use std::net::TcpListener;

use burn::server::{RemoteServer, TokenAuthorizer, WebSocketTransport};
use burn::tensor::Device;
use burn::tensor::remote::RemoteHost;
use twinprop_devices::rig::Token;
use twinprop_devices::rig::listener::require_token;
use twinprop_devices::rig::token::TOKEN_VARIABLE;

use super::Backend;
use crate::Error;

/// Connects the device that is served at `address`, such as `ws://gpu:3000`.
pub(super) fn connect(address: &str) -> Result<Device, Error> {
    let mut host = RemoteHost::websocket(address);
    if let Some(token) = Token::from_environment().map_err(Error::Usage)? {
        host = host.with_credential(token.backend_credential());
    }
    Device::remote_options(&host).init().map_err(|error| {
        Error::Usage(format!(
            "remote:{address}: {error}; is `twinprop serve` running there, and {TOKEN_VARIABLE} the same on both sides?"
        ))
    })
}

/// A backend that trainings on other machines use.
pub struct BackendServer {
    server: RemoteServer,
    listener: TcpListener,
}

impl BackendServer {
    /// `backend` for all who connect to `listener` and, if [`TOKEN_VARIABLE`] is set, know the token.
    ///
    /// # Errors
    /// [`Error::Usage`] where the backend is not built in, where the token is too short, and where there is
    /// none although other machines reach the listener's address.
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
    /// [`Error::Usage`] where the backend cannot be served.
    pub fn serve(self) -> Result<(), Error> {
        self.server
            .serve(WebSocketTransport::from_listener(self.listener))
            .map_err(|error| Error::Usage(format!("the backend cannot be served: {error}")))
    }
}
