"""The endpoints of the API: parameters, answers, paging, errors."""
