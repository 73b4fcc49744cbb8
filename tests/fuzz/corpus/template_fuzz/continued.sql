select a = 5, b = 'x'
'y', c = 'z' -- c
 'w'