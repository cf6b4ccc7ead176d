"""mitmproxy's HTTP layer with streams that fail over. Sans-io: events in, commands out.

In it: the layer (failover_layer), both ends' HTTP/1 connections (client_connection, upstream_connection), and the
stream of one request (stream), made of its body (request_body), refusals (refusing), the attempt that is under way
(running_attempt, attempt), what is held back until it is an answer (held_answer), pings (keepalive), and what ends it
before its time (interruptions).
Door: RoutedHttpLayer, UpstreamFailure.
May not import: hooks and what is above them; core/decision says what is an answer, the addons what follows a failure.
Writes: pinged, failed, pipe, reply, outcome, error, status, attempt.connected, attempt.reused,
    attempt.first_byte, attempt.status, attempt.location.
"""
