"""`make bench`: what myhealth costs, beside marks that are measured in the same run."""
