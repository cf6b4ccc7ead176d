"""mitmproxy's HTTP layer with streams that fail over. Sans-io: events in, commands out.

In it: the layer, the stream of one request, both ends' HTTP/1 connections, keep-alive pings.
Door: RoutedHttpLayer, UpstreamFailure.
May not import: hooks and what is above them; it decides nothing, and asks the addons by its own hook.
Writes: pinged, failed, outcome, error, status, attempt.first_byte, attempt.status.
"""
