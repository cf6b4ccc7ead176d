"""mitmproxy's HTTP layer with streams that fail over. Sans-io: events in, commands out.

In it: the layer (failover_layer), both ends' HTTP/1 connections (client_connection, upstream_connection), and the
stream of one request (stream), made of its body (request_body), refusals (refusing), the attempt that is under way
(running_attempt, attempt), what is held back until it is an answer (held_answer), and pings (keepalive).
Door: RoutedHttpLayer, UpstreamFailure.
May not import: hooks and what is above them; it decides nothing, and asks the addons by its own hook.
Writes: pinged, failed, outcome, error, status, attempt.first_byte, attempt.status.
"""
