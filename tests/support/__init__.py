"""Servers, proxies and certificates on loopback, for tests that use the library through its public names.

service        V7Service: a v7-like service that records requests and answers as a script says
proxies        Proxy: an HTTP proxy (forwarding and CONNECT) with credentials, faults and a log
certificates   private certificate authorities and TLS contexts
sessions       sessions with a client of their own or a lent one, and a series of calls with faults on the way
"""
