handler400 = "myhealth.requests.bad_request"
handler403 = "myhealth.requests.forbidden"
handler404 = "myhealth.requests.not_found"
handler500 = "myhealth.requests.server_error"
