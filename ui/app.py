"""The labelling UI: `streamlit run ui/app.py` from the root of a checkout.

Streamlit draws the frame; the grid fetches pages and thumbnails and posts answers over the routes
mounted beside it, so that no key press waits for a script to run again.

HUNDREDFOLD_UI_HOSTS: under which names a browser may reach the UI, separated by `;`, such as
`labels.example.org`; `*` = any. Unless set only 127.0.0.1, localhost and [::1]: a foreign page whose
name was pointed at this machine (DNS rebinding) gets nothing.
HUNDREDFOLD_UI_USERS, _SECRET, _SESSION_HOURS, _OIDC_ROLE: who may sign in, see `ui.registered`.
HUNDREDFOLD_<SERVICE>_ADDRESS, HUNDREDFOLD_TOKEN and HUNDREDFOLD_TLS_CA: as for every client.
"""

import os
from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from ui.addresses import Addresses
from ui.hosts import AllowedHosts, allowed
from ui.routes import routes
from ui.sign_in_gate import Gate
from ui.sign_in_routes import sign_in_routes

app = st.App(
    str(Path(__file__).with_name("main.py")),
    routes=[*sign_in_routes(), *routes()],
    middleware=[
        Middleware(AllowedHosts, allowed_hosts=allowed(os.environ), www_redirect=False),
        Middleware(Gate),
        Middleware(Addresses),
    ],
)
